"""Our faces beside FaceNet's own boxes, LFW on crops by either, and an aligner that is killed and run again."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import OUT, SHARED, crops, write

from finetune.align.faces import Faces, read_boxes
from finetune.model import Model
from finetune.verification import read_pairs, resolve
from finetune.verification.measuring import measure

PAIRS = ("pairs.txt", "pairs_novel.txt", "pairs_strangers.txt")
KILLS = 10
KILLED_PEOPLE = "A"
"""First letter of the people whom the killed runs align."""


def main() -> None:
    """Align every image of LFW that is there, and print three short tables."""
    out, boxes = OUT / "aligned_160", OUT / "boxes.txt"
    command = [sys.executable, "-m", "finetune", "align"]
    start = time.monotonic()
    subprocess.run([*command, str(SHARED / "lfw/images"), str(out), "--boxes", str(boxes)], check=True)
    seconds = time.monotonic() - start
    agreement = against_the_published(read_boxes(SHARED / "lfw/boxes.txt"), read_boxes(boxes))
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in agreement.items())]

    model = Model.restore(SHARED / "facenet")
    lines += [
        "",
        "| pairs | accuracy on crops by FaceNet's boxes | by ours | difference |",
        "| --- | --- | --- | --- |",
    ]
    accuracy = {}
    for name in PAIRS:
        theirs, ours = (accuracy_on(folder, name, model) for folder in (crops("lfw_160", 160, 32), out))
        accuracy[name] = {"published boxes": theirs, "ours": ours}
        lines.append(f"| {name} | {theirs:.5f} | {ours:.5f} | {ours - theirs:+.5f} |")

    kills, same = killed_and_run_again(command)
    lines += ["", f"Killed {kills} times and run to the end: {'the same bytes' if same else 'OTHER BYTES'} as one run."]
    write("align", lines, {"agreement": agreement, "lfw": accuracy, "kills": kills, "same": same, "seconds": seconds})


def against_the_published(theirs: dict[str, Faces], ours: dict[str, Faces]) -> dict[str, str]:
    """Return how the counts of faces and the chosen boxes agree."""
    with_face = [name for name, faces in theirs.items() if faces and ours[name]]
    overlaps = np.array([overlap(theirs[name].boxes[0], ours[name].boxes[0]) for name in with_face])
    same_count = np.mean([faces.count == ours[name].count for name, faces in theirs.items()])
    none = [name for name, faces in theirs.items() if not faces]
    return {
        "images": str(len(theirs)),
        "the same number of faces": f"{same_count:.2%}",
        "chosen boxes with an intersection over union of 0.99 and more": f"{np.mean(overlaps >= 0.99):.2%}",
        "the least": f"{overlaps.min():.3f}",
        "no face there, and none here": f"{sum(not ours[name] for name in none)} of {len(none)}",
        "no face here alone": str(sum(not ours[name] for name, faces in theirs.items() if faces)),
    }


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the intersection over union of two boxes."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def accuracy_on(folder: Path, pairs: str, model: Model) -> float:
    """Measure the LFW accuracy: cosine, mean subtracted, flipped. Pairs whose crop is missing are skipped."""
    found = resolve(read_pairs(SHARED / "lfw" / pairs), folder, "skip")
    return measure(model.embed, found, distance="cosine", subtract_mean=True, flip=True).accuracy


def killed_and_run_again(command: list[str]) -> tuple[int, bool]:
    """Align some people in one run, and again with SIGKILL at random moments, each time further on.

    Each kill ends two processes at once, one of which writes through a link.
    """
    photos, whole, out, link = (OUT / name for name in ("kill_photos", "kill_whole", "kill_out", "kill_link"))
    link.unlink(missing_ok=True)
    for folder in (photos, whole, out):
        shutil.rmtree(folder, ignore_errors=True)
    photos.mkdir()
    out.mkdir()
    link.symlink_to(out)
    for person in (SHARED / "lfw/images").glob(f"{KILLED_PEOPLE}*"):
        (photos / person.name).symlink_to(person)
    start = time.monotonic()
    subprocess.run([*command, str(photos), str(whole)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    moments, kills = random.Random(0), 0
    for _ in range(KILLS):
        both = [begun([*command, str(photos), str(folder)]) for folder in (out, link)]
        time.sleep(moments.uniform(0.2, 0.35) * seconds)
        for process in both:
            process.send_signal(signal.SIGKILL)
        kills += -signal.SIGKILL in [process.wait() for process in both]
    subprocess.run([*command, str(photos), str(out)], check=True, stdout=subprocess.DEVNULL)
    return kills, tree(whole) == tree(out)


def begun(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that prints nothing."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
