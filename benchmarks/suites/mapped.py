"""Exact search among ten million embeddings that stay in their file: against a plain product, and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.suites.search import AT_ONCE, CHECKED, LEAST_RATE, Floats, exhaustive, product
from benchmarks.timing import Case, alternate, ratio, timed
from finetune.identification.mapped import map_embeddings
from finetune.identification.search import nearest

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE, PROBES, K = 128, 256, 10
MOST_MEMORY = 128


def run(settings: Settings) -> Result:
    """Time both on a synthetic file, with probes near some of its rows."""
    rows = settings.pick(10_000_000, 50_000)
    with tempfile.TemporaryDirectory(dir=settings.data.work) as folder:
        path = Path(folder) / "embeddings.npy"
        probes = write_synthetic(path, rows)
        gallery = map_embeddings(path)
        cases: dict[str, Case] = {}
        for count in (1, PROBES):
            cases[f"product, {count} probes"] = timed(partial(product, gallery, probes[:count]))
            cases[f"search, {count} probes, k = {K}"] = timed(partial(nearest, gallery, probes[:count], K))
        timings = alternate(cases, settings.rounds, "mapped")
        wrong = int((nearest(gallery, probes[:CHECKED], K).rows != exhaustive(gallery, probes[:CHECKED], K)).sum())
        memory = _memory(path, probes)
    targets = [Target(f"answers that are not those of float64, {CHECKED} probes, k = {K}", wrong, 0, unit="")]
    for count in (1, PROBES):
        rate = ratio(timings[f"product, {count} probes"], timings[f"search, {count} probes, k = {K}"])
        targets.append(Target(f"rate of search / of the product, {count} probes", rate, LEAST_RATE, least=True))
    targets.append(Target(f"memory of the search, {PROBES} probes, k = {K}", memory, MOST_MEMORY, unit="MiB"))
    return Result(
        "mapped",
        f"{rows:,} synthetic embeddings of {SIZE} values in a mapped .npy file of {rows * SIZE * 4 / 1e9:.1f} GB, and "
        f"probes near some of them; the product is float32, of {AT_ONCE:,} rows of the same map at a time, without any "
        "search. The memory is what the search adds to the process, without the pages of the file.",
        timings,
        targets=targets,
    )


def write_synthetic(path: Path, rows: int) -> Floats:
    """Write random rows of length 1 [rows, SIZE] in parts; return probes [PROBES, SIZE], each near one of them."""
    generator = np.random.default_rng(0)
    chosen = np.sort(generator.choice(rows, PROBES, replace=False))
    near = []
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, SIZE)})
        for start in range(0, rows, AT_ONCE):
            part = generator.standard_normal([min(AT_ONCE, rows - start), SIZE], np.float32)
            part /= np.linalg.norm(part, axis=1, keepdims=True)
            part.tofile(file)
            near.append(part[chosen[(chosen >= start) & (chosen < start + AT_ONCE)] - start])
    probes = np.concatenate(near) + np.float32(0.05) * generator.standard_normal([PROBES, SIZE], np.float32)
    found: Floats = probes / np.linalg.norm(probes, axis=1, keepdims=True)
    return found


def _memory(path: Path, probes: Floats) -> float | None:
    """Measure the memory that a search adds to a process of its own, in MiB; None where the system can't tell."""
    given = path.with_name("probes.npy")
    np.save(given, probes)
    command = [sys.executable, "-m", "benchmarks.mapped_case", str(path), str(given), str(K)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: float | None = json.loads(done.stdout.splitlines()[-1])["mib"]
    return found
