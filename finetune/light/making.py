"""The making of a graph from a checkpoint: translated, optimized, and proved against TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path

from finetune.agreement import FLOAT32, agreements, disagreements
from finetune.checkpoint import Account
from finetune.errors import ExportFailed, Problem
from finetune.images import probes
from finetune.light.kept import Record
from finetune.light.light_model import LightModel
from finetune.light.session import Session, optimize
from finetune.light.summaries import Summary
from finetune.light.translation import Untranslatable, translate
from finetune.model import Model
from finetune.runtime import TensorFlow


def make(model: Model, found: Account, folder: Path) -> Record:
    """Write the graph of a model into a folder, and prove it.

    The embeddings and the logits of drawn faces, noise and flat images must be TensorFlow's, as the certificate of an
    export asks.

    Args:
        model: the checkpoint's model in TensorFlow, in float32.
        found: account of the checkpoint.
        folder: empty folder.

    Raises:
        ExportFailed: an operation of the network has no translation, or the outputs differ too much.
        OSError: the graph can't be written.
    """
    _write(model, folder)
    head = model.backbone.head_index
    shapes = tuple(model.shape_before(unit) for unit in range(1, head + 1))
    record = Record(model.digests(), model.multiply_adds(), shapes, 0.0)
    light = LightModel(Summary.of(found), record, Session(folder), lambda: found)
    images = probes(model.preprocessing)
    expected, given = ({"embeddings": one.embed(images)} for one in (model, light))
    if model.num_classes is not None:
        expected["logits"], given["logits"] = model.logits(images), light.logits(images)
    agreed = agreements(expected, given)
    if told := disagreements(agreed, FLOAT32):
        raise ExportFailed(Problem("", "; ".join(told)))
    difference = agreed["embeddings"].largest_difference
    return Record(record.digests, record.multiply_adds, record.outputs, difference)


def _write(model: Model, folder: Path) -> None:
    """Translate and optimize the forward pass from standardized images to prelogits."""
    import onnx

    graphs = TensorFlow(model.backbone, model.variables, model.preprocessing, "float32")
    graph = graphs.constant(graphs.weights(), model.backbone.head_index, standardized=True)
    try:
        translated = translate(graph)
    except Untranslatable as error:
        raise ExportFailed(Problem("", f"ONNX has no counterpart here for {error}")) from error
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        source = Path(place) / "source.onnx"
        onnx.save(translated, str(source), save_as_external_data=True, location="source.bin")
        optimize(source, folder)
