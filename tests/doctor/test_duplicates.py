"""The best copy of a picture stays. If copies lie under two people, none stays by a guess."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.doctor.copies import Edge
from finetune.doctor.duplicates import Duplicates


def duplicates(
    tmp_path: Path,
    files: dict[str, int],
    pairs: list[tuple[str, str, bool]],
    faults: dict[str, int] | None = None,
    measured: dict[tuple[str, str], float] | None = None,
) -> Duplicates:
    """Write files `person/name` of a side in pixels, and return the duplicates among pairs of one picture.

    The flag of a pair says whether its pixels are equal. Every other comparison must be in `measured`.
    """
    names = sorted(files)
    people = sorted({name.split("/")[0] for name in names})
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    labels = np.array([people.index(name.split("/")[0]) for name in names])
    sizes = np.array([[files[name]] * 2 for name in names])
    edges = [Edge(names.index(a), names.index(b), 1.0 if equal else 0.98, equal) for a, b, equal in pairs]
    ill = np.array([(faults or {}).get(name, 0) for name in names])
    return Duplicates(paths, labels, sizes, edges, ill, lambda a, b: (measured or {})[names[a], names[b]])


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
    assert found["ann/4"] == ("near-copy-within", "ann/1", True)  # of the same pixels as 3, and it stays


@pytest.mark.parametrize("size", [100, 80])
def test_only_what_is_like_the_picture_that_stays_is_a_copy(tmp_path: Path, size: int):
    files = {"ann/1": 120, "ann/2": size, "ann/3": 90}
    chain = [("ann/1", "ann/2", False), ("ann/2", "ann/3", False)]
    unlike = duplicates(tmp_path, files, chain, measured={("ann/1", "ann/3"): 0.6}).findings(nobody)
    assert told(unlike) == {"ann/2": ("near-copy-within", "ann/1", True)}
    like = duplicates(tmp_path, files, chain, measured={("ann/1", "ann/3"): 0.975}).findings(nobody)
    assert {f.path.name: f.reason for f in like} == {
        "2": "the same picture as ann/1, alike to 0.980",
        "3": "the same picture as ann/1, alike to 0.975",
    }


def test_of_people_too_only_what_is_alike_is_told(tmp_path: Path):
    files = {"ann/1": 120, "bob/1": 100, "carl/1": 90}
    chain = [("ann/1", "bob/1", False), ("bob/1", "carl/1", False)]
    found = duplicates(tmp_path, files, chain).findings(nobody)  # ann's and carl's need no comparison
    assert {f"{f.path.parent.name}: {f.reason}" for f in found} == {
        "ann: the same picture as bob/1, alike to 0.980",
        "bob: the same picture as ann/1, alike to 0.980",
        "carl: the same picture as bob/1, alike to 0.980",
    }
    copies = [("ann/1", "ann/2", False), ("ann/2", "bob/1", False)]
    files = {"ann/1": 120, "ann/2": 100, "bob/1": 100}
    found = duplicates(tmp_path, files, copies, measured={("ann/1", "bob/1"): 0.5}).findings(nobody)
    assert told(found) == {"ann/2": ("near-copy-within", "ann/1", True)}


def test_what_suits_training_stays_before_what_is_larger(tmp_path: Path):
    files = {"ann/crop": 160, "ann/enlarged": 320, "ann/small": 150}
    pairs = [("ann/crop", "ann/enlarged", False), ("ann/crop", "ann/small", False)]
    found = duplicates(tmp_path, files, pairs, faults={"ann/enlarged": 1, "ann/small": 3}).findings(nobody)
    assert told(found) == {
        "ann/enlarged": ("near-copy-within", "ann/crop", True),
        "ann/small": ("near-copy-within", "ann/crop", True),
    }


def test_a_picture_that_lies_under_very_many_says_nothing_of_two_of_them(tmp_path: Path):
    def steps(n: int) -> int:
        """Return the number of lines that run to report n people who share one picture."""
        files = {f"person_{i:04d}/1": 100 for i in range(n)}
        made = duplicates(tmp_path, files, [("person_0000/1", f"person_{i:04d}/1", True) for i in range(1, n)])
        count = 0

        def trace(frame, event, argument):
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            one_person, found = made._one_person(), made.findings(nobody)
        finally:
            sys.settrace(before)
        assert one_person == {}
        assert len(found) == n
        assert all(finding.moves for finding in found)
        return count

    assert steps(400) < 2.5 * steps(200)
