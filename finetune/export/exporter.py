"""Export of a checkpoint to another format. An export that fails its check is deleted."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune import __version__, checkpoint as checkpoints, files
from finetune.agreement import agreements
from finetune.embedding import Embedder
from finetune.errors import DataError, ExportFailed, Problem, RunError
from finetune.export import process, reading_back
from finetune.export.certificate import FILE_NAME, Certificate
from finetune.export.formats import FORMATS, Content, Format, find
from finetune.images import inspect_images, network_inputs, probes
from finetune.model import Model
from finetune.recipe import LFW
from finetune.verification import ImagePairs, measure_lfw, open_pairs, usable

OF_LFW = 64
"""Number of images of the pairs that are probes too, if LFW is measured."""


def export(
    model: Model | str | Path | Callable[[], Model],
    to: str,
    out: str | Path,
    *,
    head: bool = False,
    quantize: str | None = None,
    names: str | None = None,
    lfw: LFW | None = None,
) -> Certificate:
    """Write an export into a new folder, with its certificate.

    The export is loaded in a fresh process, by its own runtime. Its outputs are compared with the model's on drawn
    faces, noise and flat images. With `lfw`, they are also compared on images of the pairs, and both are measured with
    FaceNet's protocol.

    Args:
        model: model, path of a checkpoint, or function that returns the model. The function is called after all other
            arguments have been checked.
        to: name of a format, one of `FORMATS`.
        out: folder, missing or empty. Its name is also the name of the files in it.
        head: True to include the classifier: logits, probabilities and class names.
        quantize: one of `QUANTIZATIONS`, for a format that can be quantized: `float16`, or `int8` (dynamic range).
        names: one of `NAMES`, for weights in HDF5 under the names of another program: `deepface` or `keras-facenet`.
        lfw: pairs to measure before and after.

    Raises:
        UserError: the checkpoint, the format, the folder or the pairs can't be used.
        ExportFailed: the export can't be loaded, or its outputs differ too much. It is deleted.
        RunError: the export can't be written. Nothing is left of it.
    """
    out = Path(os.path.expanduser(out))
    chosen = find(to, quantize, names)
    _refuse_out(out)
    process.interpreter(chosen)
    pairs = open_pairs(lfw) if lfw else None
    if isinstance(model, (str, Path)):
        model = Model.restore(model)
    given = model() if callable(model) else model
    # The comparison is in float32, whatever the precision of the model.
    exact = Model(given.backbone, given.variables, given.preprocessing, given.class_names, given.origin)
    if lfw and pairs:
        pairs = usable(pairs, lfw, exact.preprocessing.image_size, inspect_images(pairs.paths))
    content = Content.of(exact, head=head)
    certificates: list[Certificate] = []

    def fill(folder: Path) -> None:
        with _quietly():
            _write(chosen, content, folder, out)
            certificates.append(_certified(exact, content, chosen, folder, lfw, pairs))
        files.write_json(folder / FILE_NAME, certificates[0].to_json())

    try:
        files.write_folder(out, fill)
    except ExportFailed as error:
        found = f"{to} is not what {exact.checkpoint} is: {error}; nothing was left"
        raise ExportFailed(Problem(out, found)) from error
    return certificates[0]


def _write(chosen: Format, content: Content, folder: Path, out: Path) -> None:
    """Write into a temporary folder, which becomes `out` later. Errors name `out`."""
    try:
        chosen.write(content, folder)
    except RunError as error:
        moved = (dataclasses.replace(p, where=out / Path(p.where).relative_to(folder)) for p in error.problems)
        raise RunError(*moved) from error
    except (tf.errors.OpError, RuntimeError) as error:  # from TensorFlow and h5py, if the disk is full
        reason = checkpoints.reason_of(error) if isinstance(error, tf.errors.OpError) else str(error)
        raise RunError(Problem(out, f"can't be written ({reason}); nothing was left there")) from error


def _refuse_out(out: Path) -> None:
    if out.suffix in {format.suffix for format in FORMATS.values()} - {None}:
        raise DataError(
            Problem(out, "an export is a folder; its file has the folder's name", f"give {out.with_suffix('')}")
        )
    checkpoints.refuse_pattern(out)
    files.refuse_used(out)


def _certified(
    model: Model, content: Content, chosen: Format, folder: Path, lfw: LFW | None, pairs: ImagePairs | None
) -> Certificate:
    """Return the certificate of an export.

    Raises:
        ExportFailed: an output is outside the tolerance.
    """
    images = probes(model.preprocessing)
    if pairs:
        rows = np.unique(np.linspace(0, len(pairs.paths) - 1, OF_LFW).astype(int))
        images = np.concatenate([images, network_inputs([pairs.paths[row] for row in rows], model.preprocessing)])
    expected = {"embeddings": model.embed(images)}
    if content.head:
        expected["logits"] = model.logits(images)
        expected["probabilities"] = np.asarray(tf.nn.softmax(expected["logits"].astype(np.float64)))
    found = _answer(chosen, folder, images, "probing", head=content.head)
    certificate = Certificate(
        format=chosen,
        runtime=found.runtime,
        n_images=len(images),
        agreements=agreements(expected, found.outputs),
        images_per_second=len(images) / found.seconds,
        lfw_before=None,
        lfw_after=None,
        made_from=_made_from(model, content),
        sha256={
            str(path.relative_to(folder)): files.sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
    )
    if not certificate.problems() and lfw and pairs:
        certificate = _measured(certificate, model, folder, lfw, pairs)
    problems = certificate.problems()
    if problems:
        raise ExportFailed(Problem("", "; ".join(problems)))
    return certificate


def _answer(
    chosen: Format, folder: Path, pixels: np.ndarray, what: str, *, head: bool = False, flip: bool = False
) -> process.Answer:
    """Run an export by its own program, or by finetune where there is none."""
    if process.is_outside(chosen):
        return process.answer(chosen, folder, pixels, folder.parent, what, flip=flip)
    return reading_back.answer(chosen, folder, pixels, head=head, flip=flip)


def _measured(certificate: Certificate, model: Model, folder: Path, lfw: LFW, pairs: ImagePairs) -> Certificate:
    """Return the certificate with the results on LFW of the checkpoint and of the export."""
    rate = 0.0

    def embed(paths: Sequence[Path], /, *, flip: bool) -> np.ndarray:
        nonlocal rate
        pixels = network_inputs(paths, model.preprocessing)
        found = _answer(certificate.format, folder, pixels, "embedding by the export", flip=flip)
        rate = len(paths) * (2 if flip else 1) / found.seconds
        return found.outputs["embeddings"]

    kept = Embedder(model).embeddings  # cached, because a checkpoint is often exported to several formats
    before, after = (measure_lfw(by, pairs, lfw, model.class_names) for by in (kept, embed))
    return dataclasses.replace(certificate, lfw_before=before, lfw_after=after, images_per_second=rate)


def _made_from(model: Model, content: Content) -> dict[str, object]:
    return {
        "finetune": __version__,
        "checkpoint": str(model.checkpoint),
        "sha256": checkpoints.file_digests(model.source),
        "weights_sha256": model.weights_sha256(content.tensors.keys()),
        "preprocessing": dataclasses.asdict(content.preprocessing),
        "embedding_size": model.embedding_size,
        "head": content.head,
        "num_classes": model.num_classes if content.head else None,
    }


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the warnings of converters within a `with` block: deprecations, and details of each graph."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow", "tf2onnx")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
