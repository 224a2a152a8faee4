"""A file is not moved away while a link that stays leads to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from finetune.dataset.scanning import layout
from finetune.doctor.examination import Examination, examine
from finetune.doctor.finding import Finding
from finetune.doctor.links import needed
from finetune.doctor.thumbnails import Thumbnails
from finetune.verification import read_pairs, resolve


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a file, links to it (direct, by a link, by a folder), a circular link, and a link to nowhere."""
    for person in ("ann", "bob"):
        (tmp_path / person).mkdir()
        (tmp_path / person / "1").write_bytes(person.encode())
    (tmp_path / "bob" / "link").symlink_to("../ann/1")
    (tmp_path / "bob" / "link of link").symlink_to(tmp_path / "bob" / "link")
    (tmp_path / "carl").symlink_to("ann")
    (tmp_path / "bob" / "by folder").symlink_to("../carl/1")
    (tmp_path / "bob" / "by parent").symlink_to("../carl/../ann/1")
    (tmp_path / "bob" / "circle").symlink_to("circle")
    (tmp_path / "bob" / "nowhere").symlink_to("gone/1")
    return tmp_path


@pytest.mark.parametrize(
    ("staying", "kept"),
    [
        (["bob/1"], []),
        (["bob/link"], ["ann/1"]),
        (["bob/link of link"], ["ann/1", "bob/link"]),
        (["bob/by folder"], ["ann/1"]),
        (["bob/by parent"], ["ann/1"]),
        (["carl/1"], ["ann/1"]),
        (["bob/circle", "bob/nowhere"], []),
    ],
)
def test_all_that_a_link_leads_through_is_needed(root: Path, staying: list[str], kept: list[str]):
    suspects = {root / name for name in ("ann/1", "bob/link", "bob/circle", "bob/nowhere")} - {
        root / s for s in staying
    }
    assert needed(suspects, [root / name for name in staying]) == {root / name for name in kept}


def test_a_link_may_go_where_its_file_stays(root: Path):
    assert needed([root / "bob/link"], [root / "ann/1"]) == set()


def test_a_suspect_to_which_an_image_that_stays_leads_is_told_and_not_moved(people: Path):
    original, link = people / "person_0" / "0.png", people / "person_1" / "link.png"
    link.symlink_to("../person_0/0.png")
    assert examine(people, crop=90).suspects() == [original, link]  # nobody can say whose it is: both go
    found = layout(people)
    images = Thumbnails([path for paths in found.files.values() for path in paths])
    examination = Examination(found, images, 90, 2, None, None, near_copies=True)
    one = Finding("mislabelled", original, "looks like person_1", moves=True)
    assert examination._without_needed([one]) == [dataclasses.replace(one, moves=False)]
    assert examination._notes == ["1 suspects are not moved: files that stay are links to them, or the same file"]
    both = [one, dataclasses.replace(one, path=link)]
    assert examination._without_needed(both) == both


def test_a_file_of_lfw_is_not_moved_out_of_lfw(people: Path, save, tmp_path: Path):
    lfw = tmp_path / "lfw"
    first = [save(lfw / "Ann_Lee" / f"Ann_Lee_000{n}.png", 200 + n) for n in (1, 2)]
    save(lfw / "Bob_Lee" / "Bob_Lee_0001.png", 203)
    (people / "ann").symlink_to(lfw / "Ann_Lee")
    (people / "person_1" / "link.png").symlink_to(lfw / "Bob_Lee" / "Bob_Lee_0001.png")
    (tmp_path / "pairs.txt").write_text("Ann_Lee\t1\t2\nAnn_Lee\t1\tBob_Lee\t1\n")
    report = examine(people, crop=90, lfw=resolve(read_pairs(tmp_path / "pairs.txt"), lfw))
    found = {report.name(finding.path): finding.moves for finding in report.findings if finding.kind == "lfw-image"}
    assert found == {f"ann/{path.name}": False for path in first} | {"person_1/link.png": True}
