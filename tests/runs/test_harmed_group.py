"""A training on bright photos alone gains on the whole, and harms the people whose photos are dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
from finetune.images import read_image, write_faces
from finetune.recipe import Stage
from finetune.runs.tuner import FineTuner

pytestmark = [pytest.mark.tf, pytest.mark.slow]
LEARNED, BRIGHT, IMAGES = 20, 26, 8
PEOPLE = 3 * LEARNED + 12
DARKNESS = 0.25


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Draw people to train on, and bright and dark people in pairs of their own group, as many of one as of two."""
    folder = tmp_path_factory.mktemp("drawn")
    write_faces(folder / "learn", people=range(1, LEARNED + 1), images_per_person=IMAGES, size=64, seed=4)
    write_faces(folder / "pairs", people=range(LEARNED + 1, PEOPLE + 1), images_per_person=IMAGES, size=64, seed=4)
    people = sorted((folder / "pairs").iterdir())
    groups = {"bright": people[:BRIGHT], "dark": people[BRIGHT:]}
    for path in (path for person in groups["dark"] for path in person.iterdir()):
        Image.fromarray((read_image(path) * DARKNESS).astype(np.uint8)).save(path)
    lines, table = [], ["identity,light"]
    for name, of_group in groups.items():
        table += [f"{person.name},{name}" for person in of_group]
        for place, person in enumerate(of_group):
            other = of_group[(place + 1) % len(of_group)]
            for first, second in ((1, 2), (3, 4), (5, 6), (7, 8)):
                lines.append(pair(person, first, person, second, is_same=1))
                lines.append(pair(person, first, other, second, is_same=0))
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    (folder / "groups.csv").write_text("\n".join(table) + "\n")
    return folder


def pair(first: Path, number: int, second: Path, other: int, *, is_same: int) -> str:
    """Return a line of the table of pairs."""
    sides = (f"{person.name}/{person.name}_{image:04d}.png" for person, image in ((first, number), (second, other)))
    return f"{','.join(sides)},{is_same}"


@pytest.mark.parametrize(("metric", "kept"), [("lfw_accuracy", True), ("worst_group_accuracy", False)])
def test_the_gate_of_the_worst_group_rolls_back_what_the_gate_of_the_whole_keeps(metric, kept, drawn, tmp_path):
    tuner = FineTuner(
        None,
        {"train": str(drawn / "learn")},
        tmp_path / "run",
        {"dir": str(drawn / "pairs"), "pairs": str(drawn / "pairs.csv"), "groups": str(drawn / "groups.csv")},
        backbone="small_cnn",
        weights="none",
        preprocessing={"convert": True, "image_size": 64},
        batch_size=30,
        verbose=False,
    )
    first = tuner.model.backbone.boundaries[0]
    accept = {"metric": metric, "max_drop": 0.01}
    result = tuner.run(Stage("all", first, 12, learning_rate=0.001, batch_norm="train", accept=accept))
    assert result.trained.lfw.accuracy > result.began.lfw.accuracy + 0.01
    assert result.accepted is kept, result.reason
    if not kept:
        assert "dark (light)" in result.reason
        assert result.standing.lfw == result.began.lfw
