"""Every format of two checkpoints, with head and without: size, agreement, LFW before and after, speed.

A separate script in TensorFlow 1.15 is in tests/export/test_tensorflow1.py.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import OUT, SHARED, crops, write

from finetune.export import process
from finetune.export.exporter import export
from finetune.export.formats import FORMATS, Content, find
from finetune.images import network_inputs
from finetune.model import Model
from finetune.paths import find_images
from finetune.recipe.sections import LFW

FINE_TUNED = "recipes-small-1/3-last-repeat"
"""Folder of a checkpoint from the table `recipes`."""
ASKED = [(name, quantize) for name, format in FORMATS.items() for quantize in (None, *format.quantized)]
ROUNDS, IMAGES = 3, 257
"""Rounds and images of the timing: a batch of one image, and eight of 32."""


def main() -> None:
    """Make the table `exports`. Rows that were made before are kept, but the speed is timed anew."""
    tuned = OUT / FINE_TUNED
    if not tuned.is_dir():
        sys.exit(f"{tuned}: no such folder; make the table recipes first")
    rates = _rates()
    base = statistics.median(rates["pb", None])
    lines = [
        "| checkpoint | format | head | MB | read by | largest difference | smallest cosine | LFW before | LFW after "
        "| images/s | / pb's |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = []
    for label, checkpoint in (("original", SHARED / "facenet"), ("fine-tuned", tuned)):
        for head in (False, True):
            for name, quantize in ASKED:
                row = _row(label, checkpoint, name, quantize, head)
                rate = statistics.median(rates[name, quantize])
                of_pb = statistics.median(a / b for a, b in zip(rates[name, quantize], rates["pb", None], strict=True))
                rows.append(row | {"images_per_second": rate, "of_pb": of_pb})
                lines.append(f"| {' | '.join([*row['fields'], f'{rate:.0f}', f'{of_pb:.2f}'])} |")
    note = f"Images a second: {IMAGES} images, medians of {ROUNDS} rounds in turn; those of pb {base:.0f}."
    write("exports", [*lines, "", note], rows)


def _row(label: str, checkpoint: Path, name: str, quantize: str | None, head: bool) -> dict[str, Any]:
    """Return a row of the table, which is made once."""
    kept = OUT / "exports" / f"{label}-{name}-{quantize}-{head}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    lfw = LFW(crops("lfw_160", 160, 32), SHARED / "lfw/pairs_novel.txt", "cosine", subtract_mean=True, flip=True)
    with tempfile.TemporaryDirectory(dir=OUT) as place:
        folder = Path(place) / "mine"
        certificate = export(checkpoint, name, folder, head=head, quantize=quantize, lfw=lfw)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    before, after = certificate.lfw_before, certificate.lfw_after
    assert before
    assert after
    worst = max(agreement.largest_difference for agreement in certificate.agreements.values())
    fields = [
        label,
        name + (f", {quantize}" if quantize else ""),
        "yes" if head else "no",
        f"{size:.1f}",
        certificate.runtime,
        f"{worst:.1e}",
        f"{certificate.agreements['embeddings'].smallest_cosine:.7f}",
        f"{before.accuracy:.4f}",
        f"{after.accuracy:.4f}",
    ]
    row = {"fields": fields, "certificate": certificate.to_json()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row, indent=1), encoding="utf-8")
    print(" | ".join(fields), flush=True)
    return row


def _rates() -> dict[tuple[str, str | None], list[float]]:
    """Return images per second of each format by its own runtime, in turn, round by round."""
    model = Model.restore(SHARED / "facenet")
    paths = find_images(crops("lfw_160", 160, 32))[:IMAGES]
    pixels = network_inputs(paths, model.preprocessing)
    rates: dict[tuple[str, str | None], list[float]] = {asked: [] for asked in ASKED}
    with tempfile.TemporaryDirectory(dir=OUT) as place:
        for asked in ASKED:
            folder = Path(place, *map(str, asked), "mine")
            folder.mkdir(parents=True)
            find(*asked).write(Content.of(model, head=False), folder)
        for _ in range(ROUNDS):
            for asked in ASKED:
                folder = Path(place, *map(str, asked), "mine")
                found = process.answer(FORMATS[asked[0]], folder, pixels, Path(place), "timing")
                rates[asked].append(len(pixels) / found.seconds)
    return rates
