"""Safetensors files with the variables under their TF1 names; nothing in them is executed."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes  # a dependency of TensorFlow
import numpy as np

from finetune.checkpoint.formats.format import Format, Variables

_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
}
"""The types of weights and step counts."""


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Map a file into memory; a variable's values are copied on demand.

    Raises:
        ValueError: the file is damaged, or holds a type that weights do not have.
    """
    from safetensors import SafetensorError, safe_open

    try:
        opened = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(error) from error
    slices = {name: opened.get_slice(name) for name in sorted(opened.keys())}
    unknown = [f"{name} is of {part.get_dtype()}" for name, part in slices.items() if part.get_dtype() not in _DTYPES]
    if unknown:
        raise ValueError(unknown[0])
    return Variables(
        {name: tuple(part.get_shape()) for name, part in slices.items()},
        {name: _DTYPES[part.get_dtype()] for name, part in slices.items()},
        opened.get_tensor,
    )


FORMAT = Format("safetensors", "safetensors file", (".safetensors",), read)
