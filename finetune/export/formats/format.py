"""A format as data: what writes it, what it needs, and how near its outputs have to come."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from finetune import checkpoint as checkpoints
from finetune.export.formats.content import Content

Writer = Callable[[Content, Path], None]
"""A function that writes a content into an empty folder; the files in it are named as the folder is."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What the certificate allows.

    Attributes:
        difference: the largest difference of any value of an embedding.
        cosine: the smallest cosine between an embedding and the one that it should be.
        head: the largest difference of any probability, and of any logit as a share of the largest one.
        lfw_accuracy: by how much the accuracy may differ; None for any difference.
    """

    difference: float
    cosine: float
    head: float
    lfw_accuracy: float | None


# Runtimes differ by about 1e-7; one value of one batch normalization that is wrong by a tenth, by 2e-5 and more.
FLOAT32 = Tolerance(1e-5, 0.99999, 1e-4, 0.0005)
QUANTIZED = {"float16": Tolerance(5e-3, 0.9999, 2e-2, None), "int8": Tolerance(5e-2, 0.99, 1e-1, None)}
"""The tolerances of quantized weights: `float16` takes half the bytes, `int8` (dynamic range) a quarter."""


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that can be asked for. `reload.py` holds what reads it again, by the same name.

    Attributes:
        name: the format's name, which is also that of the extra with its packages.
        summary: what the command's help says of it.
        writer: writes the network in float32.
        quantized: the writers of quantized weights, by names of `QUANTIZED`.
        suffix: the suffix of the file that programs are given; None where they are given the folder.
        packages: what writes and reads it, of those that finetune does not bring along; by importable name.
        tensorflow1: whether TensorFlow 1 may read it.
        quantize: the quantization that was chosen.
    """

    name: str
    summary: str
    writer: Writer
    quantized: Mapping[str, Writer] = dataclasses.field(default_factory=dict)
    suffix: str | None = None
    packages: tuple[str, ...] = ()
    tensorflow1: bool = False
    quantize: str | None = None

    @property
    def tolerance(self) -> Tolerance:
        """Return what its certificate allows."""
        return QUANTIZED[self.quantize] if self.quantize else FLOAT32

    def write(self, content: Content, folder: Path) -> None:
        """Write a content into an empty folder, and beside it the contract and the names of the classes."""
        writer = self.quantized[self.quantize] if self.quantize else self.writer
        writer(content, folder)
        for name, text in checkpoints.texts(content.preprocessing, content.class_names).items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
