"""Of one picture the best copy stays; under two people none stays by guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.doctor.copies import Edge
from finetune.doctor.duplicates import Duplicates


def duplicates(tmp_path: Path, files: dict[str, int], pairs: list[tuple[str, str, bool]]) -> Duplicates:
    """Files `person/name` with a side in pixels, and pairs of one picture, of equal pixels or not."""
    names = sorted(files)
    people = sorted({name.split("/")[0] for name in names})
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    labels = np.array([people.index(name.split("/")[0]) for name in names])
    sizes = np.array([[files[name]] * 2 for name in names])
    edges = [Edge(names.index(a), names.index(b), 1.0 if equal else 0.98, equal) for a, b, equal in pairs]
    return Duplicates(paths, labels, sizes, edges)


def told(found) -> dict[str, tuple[str, str, bool]]:
    return {
        f"{f.path.parent.name}/{f.path.name}": (f.kind, f"{f.other.parent.name}/{f.other.name}", f.moves) for f in found
    }


def nobody(rows):
    return None


def test_the_largest_stays_then_the_first_by_name(tmp_path: Path):
    files = {"ann/1": 100, "ann/2": 160, "ann/3": 160}
    found = told(duplicates(tmp_path, files, [("ann/1", "ann/2", False), ("ann/2", "ann/3", True)]).findings(nobody))
    assert found == {
        "ann/1": ("near-copy-within", "ann/2", True),
        "ann/3": ("copy-within", "ann/2", True),
    }


def test_a_link_goes_before_the_file_that_it_leads_to(tmp_path: Path):
    made = duplicates(tmp_path, {"ann/1": 100, "ann/2": 100}, [("ann/1", "ann/2", True)])
    (tmp_path / "ann/1").unlink()
    (tmp_path / "ann/1").symlink_to("2")
    assert told(made.findings(nobody)) == {"ann/1": ("copy-within", "ann/2", True)}


def test_under_two_people_all_go_unless_somebody_knows(tmp_path: Path):
    files = {"ann/1": 100, "ann/2": 100, "ann/3": 100, "bob/1": 100, "bob/2": 100}
    made = duplicates(tmp_path, files, [("ann/1", "bob/1", True)])
    assert told(made.findings(nobody)) == {
        "ann/1": ("copy-across", "bob/1", True),
        "bob/1": ("copy-across", "ann/1", True),
    }
    found = told(made.findings(lambda rows: rows[0]))
    assert sorted(moves for _, _, moves in found.values()) == [False, True]


def test_folders_that_share_their_pictures_are_one_person_and_keep_them(tmp_path: Path):
    files = {f"{person}/{n}": 100 for person in ("ann", "ann_again") for n in range(4)}
    pairs = [(f"ann/{n}", f"ann_again/{n}", True) for n in range(2)]
    made = duplicates(tmp_path, files, pairs)
    assert made.one_person == {(0, 1): 2}
    assert not any(moves for _, _, moves in told(made.findings(nobody)).values())
    assert duplicates(tmp_path, files, pairs[:1]).one_person == {}


def test_a_copy_of_a_copy_is_known_through_it(tmp_path: Path):
    files = {f"ann/{n}": 100 for n in range(1, 5)}
    chain = [("ann/1", "ann/2", True), ("ann/2", "ann/3", True), ("ann/3", "ann/4", False)]
    found = told(duplicates(tmp_path, files, chain).findings(nobody))
    assert found["ann/3"] == ("copy-within", "ann/1", True)
    assert found["ann/4"] == ("near-copy-within", "ann/3", True)


@pytest.mark.parametrize("n", [1000])
def test_many_copies_of_one_picture_take_no_longer_than_they_are_many(tmp_path: Path, n: int):
    files = {f"ann/{i:04d}": 100 for i in range(n)}
    found = duplicates(tmp_path, files, [("ann/0000", f"ann/{i:04d}", True) for i in range(1, n)]).findings(nobody)
    assert len(found) == n - 1
    assert {finding.other.name for finding in found} == {"0000"}
