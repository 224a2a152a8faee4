"""Every format of two checkpoints, with head and without: size, agreement, LFW before and after, speed.

Also what a script of its own sees in TensorFlow 1.15: tests/export/test_tensorflow1.py.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from common import OUT, SHARED, crops, write

from finetune.export import FORMATS, QUANTIZATIONS, export
from finetune.export.certificate import Certificate
from finetune.model import Model
from finetune.recipe import LFW

FINE_TUNED = "recipes-small-1/3-last-repeat"
"""Of the table `recipes`."""
ASKED = [(name, None) for name in FORMATS] + [("tflite", quantize) for quantize in QUANTIZATIONS]


def main() -> None:
    """Makes the table `exports`."""
    tuned = OUT / FINE_TUNED
    if not tuned.is_dir():
        sys.exit(f"{tuned}: no such folder; make the table recipes first")
    pairs = SHARED / "lfw/pairs_novel.txt"
    lfw = LFW(crops("lfw_160", 160, 32), pairs, "cosine", subtract_mean=True, flip=True)
    lines = [
        "| checkpoint | format | head | MB | runtime | largest difference | smallest cosine | LFW before | LFW after "
        "| images/s | / TensorFlow's |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    figures = []
    for label, checkpoint in (("as published", SHARED / "facenet"), ("fine-tuned", tuned)):
        model = Model.restore(checkpoint)
        rate: float | None = None
        for head in (False, True):
            for name, quantize in ASKED:
                found = _exported(model, name, quantize, head, lfw)
                certificate, size = found
                rate = rate or certificate.images_per_second  # tf1, without the head
                lines.append(_row(label, certificate, head, size, rate))
                figures.append(certificate.to_json() | {"label": label, "megabytes": size})
                print(lines[-1], flush=True)
    write("exports", lines, figures)


def _exported(model: Model, name: str, quantize: str | None, head: bool, lfw: LFW) -> tuple[Certificate, float]:
    """The certificate of an export, and its megabytes; the export itself is not kept."""
    folder = OUT / "exports" / "mine"
    shutil.rmtree(folder, ignore_errors=True)
    certificate = export(model, name, folder, head=head, quantize=quantize, lfw=lfw)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
    shutil.rmtree(folder)
    return certificate, size


def _row(label: str, certificate: Certificate, head: bool, size: float, rate: float) -> str:
    worst = max(agreement.largest_difference for agreement in certificate.agreements.values())
    cosine = certificate.agreements["embeddings"].smallest_cosine
    before, after = certificate.lfw_before, certificate.lfw_after
    assert before
    assert after
    name = certificate.format.name + (f", {certificate.format.quantize}" if certificate.format.quantize else "")
    fields = [
        label,
        name,
        "yes" if head else "no",
        f"{size:.1f}",
        certificate.runtime,
        f"{worst:.1e}",
        f"{cosine:.7f}",
        f"{before.accuracy:.4f}",
        f"{after.accuracy:.4f}",
        f"{certificate.images_per_second:.0f}",
        f"{certificate.images_per_second / rate:.2f}",
    ]
    return f"| {' | '.join(fields)} |"
