"""Safetensors file with the variables under their TF1 names."""

from __future__ import annotations

from pathlib import Path

from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write(content: Content, folder: Path) -> None:
    """Write `NAME.safetensors`."""
    from safetensors.numpy import save_file

    save_file(dict(content.tensors), folder / f"{folder.name}.safetensors")


SAFETENSORS = Format(
    "safetensors", "the variables under FaceNet's names (.safetensors)", write, suffix=".safetensors", reader="finetune"
)
