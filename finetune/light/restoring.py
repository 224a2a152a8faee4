"""The restore of a checkpoint that only embeds: by a kept graph without TensorFlow, or by TensorFlow."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from finetune import __version__
from finetune.errors import ExportFailed, Problem, RunError, UserError
from finetune.images import AS_EXPECTED, Choice, EmbeddingRuntime, Precision
from finetune.light import kept
from finetune.light.light_model import ONNXRUNTIME, LightModel
from finetune.light.session import Session
from finetune.light.summaries import Summarized, Summary
from finetune.model import EmbeddingModel
from finetune.progress import say_aside

if TYPE_CHECKING:
    from finetune.backbones import Weights
    from finetune.checkpoint import Account
    from finetune.model import Model

VERSION = 1
"""Version of the kept graphs. A change of the translation raises it."""


def restore(
    checkpoint: str | Path,
    choice: Choice = AS_EXPECTED,
    *,
    precision: Precision = "float32",
    runtime: EmbeddingRuntime | None = None,
    weights: Weights = "variables",
) -> EmbeddingModel:
    """Restore a checkpoint to embed and classify with.

    For ONNX Runtime, a graph is made once per checkpoint by TensorFlow, and kept in the user's cache. From then on
    TensorFlow is not imported. Where no graph can be made or kept, one line on stderr says why, and
    TensorFlow computes.

    Args:
        checkpoint: directory, prefix, or any file of a checkpoint.
        choice: input of the network; by default, what the checkpoint is known to expect.
        precision: precision of the convolutions. ONNX Runtime computes in `float32` alone.
        runtime: one of `EMBEDDING_RUNTIMES`; by default `onnxruntime` for `float32`, and `tensorflow` where ONNX
            Runtime is not installed or where there is a GPU.
        weights: `averages` to take the moving averages that the training kept of the variables.

    Raises:
        CheckpointError: the checkpoint can't be restored; see `Model.restore`.
        UserError: the runtime is not installed, or does not compute in this precision.
    """
    chosen = runtime or usual_runtime(precision)
    if chosen != ONNXRUNTIME:
        return _by_tensorflow(checkpoint, choice, precision, chosen, weights)
    _refuse(precision)

    def read() -> Account:
        from finetune.checkpoint import account

        return account(checkpoint, choice=choice, weights=weights, values="unread")

    summarized = Summarized(checkpoint, choice, weights)
    if (summary := summarized.find()) and (model := _opened(summary, weights, read)):
        return model
    importing = threading.Thread(target=_import_runtime, daemon=True)
    importing.start()  # while the checkpoint's files are digested
    found = read()
    summary = Summary.of(found)
    importing.join()
    light = _opened(summary, weights, lambda: found) or _made(
        found, summary, weights, lambda: _by_tensorflow(checkpoint, choice, precision, "tensorflow", weights)
    )
    if isinstance(light, LightModel):
        summarized.keep(found)
    return light


def usual_runtime(precision: Precision) -> EmbeddingRuntime:
    """Return the runtime that is used where none is asked for."""
    light = precision == "float32" and importlib.util.find_spec(ONNXRUNTIME) is not None
    return "onnxruntime" if light and not _has_gpu() else "tensorflow"


def _has_gpu() -> bool:
    """Return whether the machine has a GPU that TensorFlow may use, which outweighs a quick start."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return not hidden and any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd"))


def _refuse(precision: Precision) -> None:
    if importlib.util.find_spec(ONNXRUNTIME) is None:
        advice = "pip install onnxruntime onnx, or use tensorflow"
        raise UserError(Problem("runtime", f"{ONNXRUNTIME} is not installed", advice))
    if precision != "float32":
        raise UserError(Problem("precision", f"{ONNXRUNTIME} computes in float32", "use tensorflow or openvino"))


def _import_runtime() -> None:
    with contextlib.suppress(Exception):  # it is told where the runtime is used
        importlib.import_module(ONNXRUNTIME)


def _name(summary: Summary, weights: Weights) -> str:
    """Return the name of the graph: a digest of all that it depends on."""
    import onnxruntime

    return kept.name_of(
        version=VERSION,
        versions=[__version__, onnxruntime.__version__],
        processor=kept.processor(),
        files=summary.digests,
        weights=weights,
        network=summary.backbone.description or summary.backbone.name,
        image=summary.preprocessing.shape,
        standardization=summary.preprocessing.standardization,  # of the proof
    )


def _opened(summary: Summary, weights: Weights, read: Callable[[], Account]) -> LightModel | None:
    """Return the model of a kept graph, or None if there is none that is whole."""
    stored = kept.find(_name(summary, weights))
    if stored is None:
        return None
    folder, record = stored
    try:
        return LightModel(summary, record, Session(folder), read)
    except Exception:  # another process may have removed it, and ONNX Runtime has many exceptions
        return None


def _made(found: Account, summary: Summary, weights: Weights, restore_model: Callable[[], Model]) -> EmbeddingModel:
    """Make and keep the graph, and return its model; or TensorFlow's model, with a line that says why."""
    from finetune.light.making import make

    model = restore_model()
    try:
        kept.keep(_name(summary, weights), lambda folder: make(model, found, folder))
        light = _opened(summary, weights, lambda: found)
        reason = "what was written can't be read again"
    except (ExportFailed, RunError, OSError) as error:
        light, reason = None, str(error)
    except Exception as error:  # ONNX Runtime has many exceptions
        light, reason = None, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    if light is None:
        say_aside(f"{found.name}: no graph for {ONNXRUNTIME} ({reason}); TensorFlow computes")
        return model
    return light


def _by_tensorflow(
    checkpoint: str | Path, choice: Choice, precision: Precision, runtime: EmbeddingRuntime, weights: Weights
) -> Model:
    """Restore the checkpoint in TensorFlow."""
    from finetune.model import Model

    assert runtime != "onnxruntime"
    image_size, standardization, convert = choice
    return Model.restore(
        checkpoint,
        image_size=image_size,
        standardization=standardization,
        convert=convert,
        precision=precision,
        runtime=runtime,
        weights=weights,
    )
