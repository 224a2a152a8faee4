"""The formats: what writes each, what reads it again, and how near it has to come."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from finetune import checkpoint as checkpoints
from finetune.errors import Problem, UserError
from finetune.export import converted, graph, keras_model, serving
from finetune.export.content import Content

WRITERS: dict[str, Callable[[Content, Path], None]] = {
    "tf1": graph.write_tf1,
    "pb": graph.write_pb,
    "saved_model": serving.write_saved_model,
    "keras": keras_model.writer("keras"),
    "h5": keras_model.writer("h5"),
    "onnx": converted.write_onnx,
}
FORMATS = (*WRITERS, "tflite")
QUANTIZATIONS = ("float16", "int8")
SUFFIXES = {f".{name}" for name in FORMATS[1:]} - {".saved_model"}
"""Of the files in an export's folder."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What the certificate allows.

    Attributes:
        difference: the largest, of any value of an embedding.
        cosine: the smallest between an embedding and the one that it should be.
        head: the largest difference of any probability, and of any logit as a share of the largest one.
        lfw_accuracy: by how much the accuracy may differ; None for any difference.
    """

    difference: float
    cosine: float
    head: float
    lfw_accuracy: float | None


# Runtimes differ by about 1e-7; one value of one batch normalization that is wrong by a tenth, by 2e-5 and more.
FLOAT32 = Tolerance(1e-5, 0.99999, 1e-4, 0.0005)
FLOAT16 = Tolerance(5e-3, 0.9999, 2e-2, None)
INT8 = Tolerance(5e-2, 0.99, 1e-1, None)


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that can be asked for.

    Attributes:
        name: one of `FORMATS`.
        quantize: one of `QUANTIZATIONS`, or None.
        writer: writes what the format is made of.
        tolerance: of its certificate.
    """

    name: str
    quantize: str | None
    writer: Callable[[Content, Path], None]
    tolerance: Tolerance

    def write(self, content: Content, folder: Path) -> None:
        """Writes a content into an empty folder, and beside it the contract and the names of the classes."""
        self.writer(content, folder)
        for name, text in checkpoints.texts(content.preprocessing, content.class_names).items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


def find(name: str, quantize: str | None = None) -> Format:
    """The format of that name.

    Raises:
        UserError: there is none, it can't be quantized, or packages that it needs are not installed.
    """
    if name not in FORMATS:
        raise UserError(Problem("format", f"found {name!r}", f"give one of {', '.join(FORMATS)}"))
    if quantize is not None and (name != "tflite" or quantize not in QUANTIZATIONS):
        raise UserError(
            Problem(
                "quantize", f"found {quantize!r} for {name}", f"give {' or '.join(QUANTIZATIONS)}, for tflite alone"
            )
        )
    needed = {"onnx": ("tf2onnx", "onnxruntime"), "tflite": ("ai_edge_litert",)}.get(name, ())
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise UserError(
            Problem(name, f"{' and '.join(missing)} not installed", f"pip install 'facenet-finetune[{name}]'")
        )
    tolerance = {None: FLOAT32, "float16": FLOAT16, "int8": INT8}[quantize]
    writer = converted.tflite_writer(quantize) if name == "tflite" else WRITERS[name]
    return Format(name, quantize, writer, tolerance)
