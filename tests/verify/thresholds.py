"""Table of what thresholds set by hand keep: people of LFW enrolled with two photos each, and photos of others."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from common import SHARED, write
from gallery import CHECKPOINT, FINETUNE

ENROLLED, LABELLED, OTHERS = 2, 3, 200
"""Photos per enrolled person in the gallery and in the measurement, and number of other people with one photo each."""
THRESHOLDS = (0.4, 0.5, 0.6, 0.7)
RATES = r"([\d.]+) named correctly.* ([\d.]+) as somebody else.*\n.* strangers: ([\d.]+) named as somebody"


def main() -> None:
    """Make the table `thresholds`; two minutes."""
    lines = ["| `--threshold` | named correctly | as somebody else | others: named as somebody |", "|---|---|---|---|"]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        link_photos(folder)
        run("enroll", folder / "friends.h5", folder / "photos", "--align", "--checkpoint", CHECKPOINT)
        for threshold in THRESHOLDS:
            labelled = folder / "labelled", "--align", "--labelled"
            said = run("identify", folder / "friends.h5", *labelled, "--threshold", threshold)
            (rates,) = re.findall(RATES, said)
            rows.append([threshold, *map(float, rates)])
            lines.append(f"| {' | '.join([str(threshold), *rates])} |")
    write("thresholds", lines, rows)


def link_photos(folder: Path) -> None:
    """Fill `photos` and `labelled` with links to photos of people whom the checkpoint has never seen."""
    lfw = SHARED / "lfw"
    learn, novel = ((lfw / name).read_text().split() for name in ("learn.txt", "novel.txt"))
    chosen = [("photos", name, 0, ENROLLED) for name in learn]
    chosen += [("labelled", name, ENROLLED, ENROLLED + LABELLED) for name in learn]
    chosen += [("labelled", name, 0, 1) for name in [name for name in novel if name not in learn][:OTHERS]]
    for part, name, first, last in chosen:
        (folder / part / name).mkdir(parents=True, exist_ok=True)
        for photo in sorted((lfw / "images" / name).iterdir())[first:last]:
            (folder / part / name / photo.name).symlink_to(photo)


def run(*words: object) -> str:
    """Run a command of finetune, and return what it prints."""
    command = [*FINETUNE, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
