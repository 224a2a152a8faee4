"""Record of an export format: its writers, its packages and its tolerances."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from finetune import checkpoint as checkpoints
from finetune.agreement import FLOAT32, Tolerance
from finetune.export.formats.content import Content

TENSORFLOW1 = "FINETUNE_TF1_PYTHON"
"""Environment variable that names a Python with TensorFlow 1.15, which then loads exports for TensorFlow 1."""
Writer = Callable[[Content, Path], None]
"""Function that writes a content into an empty folder. The name of the folder is also the name of the files."""


QUANTIZED = {"float16": Tolerance(5e-3, 0.9999, 2e-2, None), "int8": Tolerance(5e-2, 0.99, 1e-1, None)}
"""Tolerances of quantized weights. `float16` takes half the bytes, `int8` (dynamic range) a quarter."""


@dataclasses.dataclass(frozen=True)
class Format:
    """Export format. `reload.py` has a function that loads it.

    Attributes:
        name: name of the format, and of the extra that installs its packages.
        summary: short description for the command's help.
        writer: function that writes the network in float32.
        quantized: writers of quantized weights, by name in `QUANTIZED`.
        suffix: suffix of the file that programs load; None if they load the folder.
        packages: importable names of the packages that write and read the format, if finetune does not depend on them.
        reader: name of the function in `reload.py`; the name of the format by default. `finetune` reads the file by
            finetune itself.
        python: environment variable that may name a Python with the runtime.
        proof: importable names of programs that the reader needs and finetune does not install. Where they are missing,
            finetune itself reads the file.
        quantize: quantization that was chosen; None for float32.
    """

    name: str
    summary: str
    writer: Writer
    quantized: Mapping[str, Writer] = dataclasses.field(default_factory=dict)
    suffix: str | None = None
    packages: tuple[str, ...] = ()
    reader: str = ""
    python: str = ""
    proof: tuple[str, ...] = ()
    quantize: str | None = None

    @property
    def tolerance(self) -> Tolerance:
        """Return the tolerance of the format with the chosen quantization."""
        return QUANTIZED[self.quantize] if self.quantize else FLOAT32

    def write(self, content: Content, folder: Path) -> None:
        """Write a content into an empty folder, with the input contract and the class names in text files."""
        writer = self.quantized[self.quantize] if self.quantize else self.writer
        writer(content, folder)
        for name, text in checkpoints.texts(content.backbone, content.preprocessing, content.class_names).items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
