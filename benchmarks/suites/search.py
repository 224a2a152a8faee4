"""Exact search among a million embeddings: its rate against a plain matrix product, and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import Case, alternate, ratio, timed
from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos
from finetune.gallery.storage import write_gallery
from finetune.identification.search import nearest

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 512
AT_ONCE = 100_000
"""Number of rows per product. Larger products are not faster."""
CHECKED = 16
"""Number of probes whose answers are compared with an exhaustive search in float64."""
LEAST_RATE, MOST_MEMORY = 0.5, 1.3
Floats = npt.NDArray[np.float32]


def run(settings: Settings) -> Result:
    """Time both on a synthetic gallery, with probes near some of its rows."""
    rows = settings.pick(1_000_000, 50_000)
    gallery, probes = synthetic(rows, settings.pick(1024, 128))
    cases: dict[str, Case] = {}
    for count in (1, len(probes)):
        cases[f"product, {count} probes"] = timed(partial(product, gallery, probes[:count]))
        for k in (1, 10):
            cases[f"search, {count} probes, k = {k}"] = timed(partial(nearest, gallery, probes[:count], k))
    timings = alternate(cases, settings.rounds, "search")
    wrong = int((nearest(gallery, probes[:CHECKED], 10).rows != exhaustive(gallery, probes[:CHECKED], 10)).sum())
    memory = peak(settings, gallery, probes)
    targets = [Target(f"answers that are not those of float64, {CHECKED} probes, k = 10", wrong, 0, unit="")]
    for count in (1, len(probes)):
        for k in (1, 10):
            rate = ratio(timings[f"product, {count} probes"], timings[f"search, {count} probes, k = {k}"])
            targets.append(
                Target(f"rate of search / of the product, {count} probes, k = {k}", rate, LEAST_RATE, least=True)
            )
    targets.append(Target("peak memory of reading the gallery and searching / its embeddings", memory, MOST_MEMORY))
    return Result(
        "search",
        f"{rows:,} synthetic embeddings of {SIZE} values, and probes near some of them; the product is float32, of "
        f"{AT_ONCE:,} rows at a time, without any search.",
        timings,
        targets=targets,
    )


def synthetic(rows: int, probes: int) -> tuple[Floats, Floats]:
    """Return random rows of length 1 [rows, SIZE], and probes [probes, SIZE] that each lie near one of them."""
    generator = np.random.default_rng(0)
    gallery = np.empty([rows, SIZE], np.float32)
    for start in range(0, rows, AT_ONCE // 10):
        part = gallery[start : start + AT_ONCE // 10]
        generator.standard_normal(out=part, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    near = gallery[generator.integers(0, rows, probes)]
    near = near + np.float32(0.05) * generator.standard_normal(near.shape, dtype=np.float32)
    return gallery, near / np.linalg.norm(near, axis=1, keepdims=True)


def product(gallery: Floats, probes: Floats) -> None:
    """Compute only the matrix product, in parts."""
    out = np.empty([len(probes), min(AT_ONCE, len(gallery))], np.float32)
    for start in range(0, len(gallery), AT_ONCE):
        part = gallery[start : start + AT_ONCE]
        np.matmul(probes, part.T, out=out[:, : len(part)])


def exhaustive(gallery: Floats, probes: Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the k nearest rows of each probe, computed in float64, [probes, k]."""
    best, rows = np.empty([len(probes), 0]), np.empty([len(probes), 0], np.int64)
    for start in range(0, len(gallery), AT_ONCE):
        part = gallery[start : start + AT_ONCE].astype(np.float64)
        best = np.concatenate([best, probes.astype(np.float64) @ part.T], axis=1)
        rows = np.concatenate([rows, np.tile(np.arange(start, start + len(part)), [len(probes), 1])], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]  # of equal ones the lower row, which stands before
        best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return rows


def peak(settings: Settings, gallery: Floats, probes: Floats) -> float:
    """Measure the peak memory of a process that reads and searches the gallery, in sizes of its embeddings."""
    with tempfile.TemporaryDirectory(dir=settings.data.work) as folder:
        path, given = Path(folder) / "gallery.h5", Path(folder) / "probes.npy"
        np.save(given, probes)
        digests = np.zeros([len(gallery), 32], np.uint8)
        digests[:, :8] = np.arange(len(gallery), dtype="<u8").view(np.uint8).reshape(-1, 8)
        norms, names = np.ones(len(gallery), np.float32), np.full(len(gallery), b"0001.png")
        photos = Photos(
            gallery, norms, digests, names, np.full(len(gallery), b"", "S1"), digests, np.zeros(len(gallery), np.uint8)
        )
        contract = Contract("synthetic", "", 160, "fixed")
        empty = Gallery.empty(contract, SIZE)
        people = tuple(f"person {number}" for number in range(len(gallery) // 10))
        labels = np.arange(len(gallery), dtype=np.int64) // 10
        write_gallery(path, Gallery(contract, people, labels, photos, empty.stranger_labels, empty.strangers))
        command = [sys.executable, "-m", "benchmarks.search_case", str(path), str(given), "10"]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
    return float(found["peak_mib"] / found["embeddings_mib"])
