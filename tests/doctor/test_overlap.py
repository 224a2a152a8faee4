"""Overlap with the LFW pairs is found: people by name, pictures by their pixels."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from finetune.doctor.examination import examine
from finetune.verification import read_pairs, resolve


def test_people_by_name_and_pictures_by_pixels(people: Path, save, tmp_path: Path):
    lfw = tmp_path / "lfw"
    for seed in range(3):
        save(lfw / "Person_0" / f"Person_0_000{seed + 1}.png", 100 + seed)
        save(lfw / "Ann_Lee" / f"Ann_Lee_000{seed + 1}.png", 200 + seed)
    with Image.open(people / "person_2" / "3.png") as image:
        image.resize((90, 90)).save(lfw / "Ann_Lee" / "Ann_Lee_0003.png")
    (tmp_path / "pairs.txt").write_text("Person_0\t1\t2\nAnn_Lee\t1\t3\nAnn_Lee\t2\tPerson_0\t3\n")
    pairs = resolve(read_pairs(tmp_path / "pairs.txt"), lfw)
    report = examine(people, crop=90, lfw=pairs)
    told = {finding.kind: (report.name(finding.path), finding.other, finding.moves) for finding in report.findings}
    assert told == {
        "lfw-name": ("person_0", lfw / "Person_0", False),
        "lfw-image": ("person_2/3.png", lfw / "Ann_Lee" / "Ann_Lee_0003.png", True),
    }
