"""Recall and precision of poor faces planted in LFW, the time per crop, and what leaving poor pairs out gains."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import OUT, SHARED, crops, write
from planted import plant_in_lfw

from finetune.doctor import examine, judge_quality
from finetune.images import read_image
from finetune.quality import DEFECTS, measure_appearance

SEEDS = (1, 2, 3)
EACH = 80
TIMED = 500


def main() -> None:
    """Make all three tables, in some minutes."""
    rows = planted()
    lines = [
        "| kind | planted | found of them | recall | findings | precision |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {kind} | {r['planted']} | {r['hits']} | {r['hits'] / r['planted']:.3f} | {r['findings']} | "
        f"{r['right'] / r['findings']:.3f} |"
        for kind, r in rows.items()
    ]
    milliseconds = time_per_crop()
    curve = discards()
    lines += ["", f"Median time per crop: {milliseconds:.2f} ms", ""]
    lines += ["| discarded | pairs | FNMR (95 %) | FMR | FNMR anew |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {p['share']:.0%} | {p['n_pairs']} | {p['fnmr']:.4f} ({p['low']:.4f} to {p['high']:.4f}) | "
        f"{p['fmr']:.4f} | {p['fnmr_anew']:.4f} |"
        for p in curve["points"]
    ]
    write("quality", lines, {"planted": rows, "milliseconds": milliseconds, "discard": curve})


def planted() -> dict[str, Counter[str]]:
    """Count what is found of defects that were planted in faces of people who gave no threshold, by three seeds."""
    people = (SHARED / "lfw/novel.txt").read_text().split()
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in DEFECTS}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as place:
            chosen = np.random.default_rng(seed).choice(people, 800, replace=False).tolist()
            worse = plant_in_lfw(SHARED / "lfw", chosen, Path(place), EACH, seed)
            report = judge_quality(examine(Path(place) / "crops", near_copies=False))
            for kind, paths in worse.items():
                found = {finding.path for finding in report.findings if finding.kind == kind}
                right = worse["blurred"] | worse["tiny"] if kind in ("blurred", "tiny") else paths
                counts[kind] += Counter(
                    planted=len(paths), hits=len(found & paths), findings=len(found), right=len(found & right)
                )
    return counts


def time_per_crop() -> float:
    """Return the median time to measure one crop of 160 pixels, in milliseconds."""
    seconds = []
    for path in sorted(crops("lfw_160", 160, 32).rglob("*.png"))[:TIMED]:
        pixels = read_image(path)
        start = time.perf_counter()
        measure_appearance(pixels)
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds))


def discards() -> dict:
    """Return the error-versus-discard characteristic of the shared checkpoint on people whom it has never seen."""
    target = OUT / "discard.json"
    pairs = ("--lfw", crops("lfw_160", 160, 32), "--pairs", SHARED / "lfw/pairs_novel.txt")
    command = [sys.executable, "-m", "finetune", "validate", SHARED / "facenet", *pairs, "--discard", "--json", target]
    subprocess.run([str(part) for part in command], check=True)
    return json.loads(target.read_text())["discard"]
