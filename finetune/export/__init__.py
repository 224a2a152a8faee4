"""A checkpoint in other formats, each proved by its own runtime."""

from __future__ import annotations

from finetune.errors import ExportFailed
from finetune.export.certificate import Certificate
from finetune.export.exporter import export
from finetune.export.formats import FORMATS, QUANTIZATIONS

__all__ = ["FORMATS", "QUANTIZATIONS", "Certificate", "ExportFailed", "export"]
