"""All export formats by name."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

from finetune.errors import Problem, UserError
from finetune.export.formats.format import QUANTIZED, Format
from finetune.export.formats.keras import H5, KERAS
from finetune.export.formats.keras_weights import NAMED
from finetune.export.formats.onnx import ONNX
from finetune.export.formats.openvino import OPENVINO
from finetune.export.formats.pb import PB
from finetune.export.formats.pytorch import PYTORCH
from finetune.export.formats.safetensors import SAFETENSORS
from finetune.export.formats.saved_model import SAVED_MODEL
from finetune.export.formats.tf1 import TF1
from finetune.export.formats.tflite import TFLITE
from finetune.words import listed

FORMATS = {
    format.name: format for format in (TF1, PB, SAFETENSORS, PYTORCH, SAVED_MODEL, KERAS, H5, ONNX, TFLITE, OPENVINO)
}
"""Formats by the names that `--to` takes."""
QUANTIZATIONS = tuple(QUANTIZED)
"""Values of `--quantize`, for formats that can be quantized."""
NAMES = tuple(NAMED)
"""Values of `--names`, for the format `h5`."""


def find(name: str, quantize: str | None = None, names: str | None = None) -> Format:
    """Return the format with this name.

    Args:
        name: one of `FORMATS`.
        quantize: one of `QUANTIZATIONS`, for quantized weights.
        names: one of `NAMES`, for weights under the names of another program.

    Raises:
        UserError: there is no such format, it does not have this quantization, or its packages are not installed.
    """
    if name not in FORMATS:
        raise UserError(Problem("format", f"found {name!r}", f"give one of {', '.join(FORMATS)}"))
    found = FORMATS[name]
    if quantize is not None and quantize not in found.quantized:
        those = listed((format.name for format in FORMATS.values() if format.quantized), "or")
        advice = f"give {listed(QUANTIZATIONS, 'or')}, for {those} alone"
        raise UserError(Problem("quantize", f"found {quantize!r} for {name}", advice))
    if names is not None:
        if name != H5.name or names not in NAMED:
            advice = f"give {listed(NAMES, 'or')}, for {H5.name} alone"
            raise UserError(Problem("names", f"found {names!r} for {name}", advice))
        return NAMED[names]
    missing = [package for package in found.packages if find_spec(package) is None]
    if missing:
        raise UserError(
            Problem(name, f"{' and '.join(missing)} not installed", f"pip install 'facenet-finetune[{name}]'")
        )
    return dataclasses.replace(found, quantize=quantize)
