"""Aligning photos against the published detector in TensorFlow 1.15, and its memory on ten times the photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.data import link
from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import Case, alternate, ratio
from finetune.dataset.synthetic import write_faces
from finetune.folders import find_images

ROOT = Path(__file__).resolve().parent.parent.parent
ALIGN, DETECT, PUBLISHED = "finetune align", "its detector alone", "the published detector"
SIDE = 250


def run(settings: Settings) -> Result:
    """Times the work of the command, its detector on decoded photos, and the published detector."""
    found = _photos(settings)
    n = settings.pick(600, 32)
    with tempfile.TemporaryDirectory(dir=settings.data.work) as work:
        photos = _folder(found, n, Path(work))
        cases: dict[str, Case] = {
            ALIGN: lambda: _case("align", photos, work)["seconds"],
            DETECT: lambda: _case("detect", photos, work)["seconds"],
        }
        notes = []
        interpreter, source = os.environ.get("FINETUNE_TF1_PYTHON"), os.environ.get("FINETUNE_FACENET")
        if interpreter and source:
            cases[PUBLISHED] = partial(_published, interpreter, source, find_images(photos))
        else:
            notes.append(
                f"{PUBLISHED}: left out; FINETUNE_TF1_PYTHON names a Python with TensorFlow 1.15 and Pillow, "
                "FINETUNE_FACENET the folder src of a clone of davidsandberg/facenet."
            )
        timings = alternate(cases, settings.rounds, "align")
        small, large = settings.pick(1136, 16), settings.pick(11359, 32)
        peaks = [_case("align", _folder(found, images, Path(work)), work)["peak_mib"] for images in (small, large)]
    against = timings.get(PUBLISHED)
    rates = [["case", "photos a second"], *([name, f"{n / np.median(s):.1f}"] for name, s in timings.items())]
    return Result(
        "align",
        f"{n} photos of {SIDE} x {SIDE} pixels; {machine.usable_cores()} cores. {PUBLISHED.capitalize()} runs image by "
        "image in TensorFlow 1.15, a process a core, reading included; it neither cuts nor writes.",
        timings,
        targets=[
            Target(f"{PUBLISHED} / {ALIGN}", ratio(against, timings[ALIGN]) if against else None, 5, least=True),
            Target(f"{PUBLISHED} / {DETECT}", ratio(against, timings[DETECT]) if against else None, 5, least=True),
            Target(f"memory, {large} photos / {small}", peaks[1] / peaks[0], 1.1),
        ],
        tables={"Rates": rates},
        notes=[*notes, f"Peak memory: {peaks[0]:.0f} MiB on {small} photos, {peaks[1]:.0f} MiB on {large}."],
    )


def _photos(settings: Settings) -> Sequence[Path]:
    """LFW's photos, or drawn ones where they are not there."""
    shared = settings.data.pairs.parent / "images"
    if shared.is_dir():
        return find_images(shared)
    drawn = settings.data.work / "drawn-photos"
    if not drawn.exists():
        write_faces(drawn, people=8, images_per_person=4, size=SIDE, seed=1)
    return find_images(drawn)


def _folder(found: Sequence[Path], n: int, work: Path) -> Path:
    """So many of the photos, from all over the list, as links."""
    folder = work / f"photos-{n}"
    if not folder.exists():
        chosen = np.unique(np.linspace(0, len(found) - 1, min(n, len(found))).astype(int))
        link([found[i] for i in chosen], folder, people=10)
    return folder


def _case(what: str, photos: Path, work: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=work) as output:
        command = [sys.executable, "-m", "benchmarks.align_case", what, str(photos), output]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _published(interpreter: str, source: str, paths: Sequence[Path]) -> float:
    """Seconds of the slowest of as many processes as cores, which begin together on a share of the photos each."""
    cores = machine.usable_cores()
    # TensorFlow 2 sets it for itself, and TensorFlow 1 would take it for its own.
    environment = {name: value for name, value in os.environ.items() if name != "TF2_BEHAVIOR"}
    pipes = partial(subprocess.Popen[str], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for core in range(cores):
            listed = Path(folder) / f"{core}.txt"
            listed.write_text("".join(f"{path}\n" for path in paths[core::cores]))
            command = [interpreter, str(ROOT / "benchmarks/published_detector.py"), source, str(listed)]
            processes.append(pipes(command))
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"{interpreter}: the published detector did not start; see above")
        outputs = [process.communicate("\n")[0] for process in processes]
    return max(float(output) for output in outputs)
