"""The walk-through of galleries on drawn faces: three friends, strangers, and a photo of a party with one of them.

    make demo
    python tests/verify/friends.py runs/demo/run/2-last-block docs/friends.png

It draws the photos and runs the three commands of docs/tutorials/gallery.md in a temporary folder. It prints what they
say, and keeps the photo with its answers.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face

FRIENDS = {"Ann": 57, "Bob": 116, "Zoë": 64}
"""Drawn people whose looks are not too common."""
STRANGER = 5
STRANGERS = range(100, 320)
SIZE = 200
SEED = 9
VARIATION = 0.7
COMMANDS = (
    "enroll friends.h5 photos --align --checkpoint {checkpoint}",
    "enroll friends.h5 strangers --align --strangers",
    "identify friends.h5 party.jpg --align --far 0.02 --draw answers",
)


def main() -> None:
    """Draw the photos, run the commands, and keep the photo."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        for command in COMMANDS:
            words = command.format(checkpoint=checkpoint).split()
            print(f"$ finetune {command}".format(checkpoint=checkpoint.name), flush=True)
            subprocess.run(
                [sys.executable, "-m", "finetune", *words], cwd=folder, check=True, stderr=subprocess.DEVNULL
            )
        content = io.BytesIO()
        Image.open(folder / "answers/party.jpg").quantize(192, dither=Image.Dither.NONE).save(
            content, "PNG", optimize=True
        )
        out.write_bytes(content.getvalue())


def draw(folder: Path) -> None:
    """Draw five photos of each friend, one of each stranger, and the party."""
    for name, number in FRIENDS.items():
        (folder / "photos" / name).mkdir(parents=True)
        for photo in range(1, 6):
            picture(folder / f"photos/{name}/{photo}.jpg", [(40, 30, number, photo)], (300, 260))
    (folder / "strangers").mkdir()
    for number in STRANGERS:
        picture(folder / f"strangers/{number}.jpg", [(20, 20, number, 1)], (240, 240))
    places = [(20, 60), (235, 25), (450, 75), (670, 40)]
    numbers = [FRIENDS["Bob"], STRANGER, FRIENDS["Ann"], FRIENDS["Zoë"]]
    faces = [(left, top, number, 13) for (left, top), number in zip(places, numbers, strict=True)]
    picture(folder / "party.jpg", faces, (900, 320))


def picture(path: Path, faces: Sequence[tuple[int, int, int, int]], size: tuple[int, int]) -> None:
    """Draw faces in front of soft colours, each given by left, top, a person's number and a photo's number."""
    generator = np.random.default_rng([SEED, faces[0][2], faces[0][3]])
    colours = Image.fromarray(generator.integers(60, 200, (4, 6, 3), dtype=np.uint8))
    canvas = colours.resize(size, Image.Resampling.BICUBIC)
    for left, top, number, photo in faces:
        identity = Identity.draw(np.random.default_rng([SEED, number]))
        canvas.paste(draw_face(identity, SIZE, np.random.default_rng([SEED, number, photo]), VARIATION), (left, top))
    canvas.save(path, quality=92)


if __name__ == "__main__":
    main()
