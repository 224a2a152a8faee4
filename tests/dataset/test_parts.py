from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.dataset.parts import by_identities, by_images, part_folder, read_shares
from finetune.errors import DataError

METHODS = (by_images, by_identities)
people = st.dictionaries(st.text("abcé", min_size=1), st.integers(1, 30), min_size=1, max_size=8).map(
    lambda sizes: {name: [Path(name, f"{i:04d}.png") for i in range(n)] for name, n in sizes.items()}
)
weights = st.lists(st.integers(1, 20), min_size=1, max_size=5)
seeds = st.integers(0, 2**63)


def shares(parts: list[int]) -> dict[str, Fraction]:
    return {f"part{i}": Fraction(weight, sum(parts)) for i, weight in enumerate(parts)}


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for number in range(1, 31):
        (root / f"p{number}").mkdir(parents=True)
        for image in range(1 + number % 5):
            (root / f"p{number}/{image}.png").write_text(f"{number} {image}")
    return root


@pytest.mark.parametrize("method", METHODS)
@given(people, weights, seeds)
def test_each_image_is_in_one_part_under_its_own_name(method, images, parts, seed):
    drawn = method(images, shares(parts), seed)
    assert [part.name for part in drawn] == list(shares(parts))
    there = [(name, path) for part in drawn for name, paths in part.images.items() for path in paths]
    assert sorted(there) == sorted((name, path) for name, paths in images.items() for path in paths)
    assert all(paths == sorted(paths) and paths for part in drawn for paths in part.images.values())


@given(people, weights, seeds)
def test_by_images_each_part_has_its_share_of_each_person_rounded(images, parts, seed):
    for part in by_images(images, shares(parts), seed):
        for name, paths in images.items():
            exact = len(paths) * shares(parts)[part.name]
            assert int(exact) <= len(part.images.get(name, ())) <= int(exact) + 1


@given(people, weights, seeds)
def test_by_identities_nobody_is_in_two_parts(images, parts, seed):
    drawn = by_identities(images, shares(parts), seed)
    assert max(Counter(name for part in drawn for name in part.images).values()) == 1
    assert all(part.images[name] == images[name] for part in drawn for name in part.images)


@pytest.mark.parametrize("method", METHODS)
@given(people, weights, seeds)
def test_adding_a_person_changes_nobody_elses_part(method, images, parts, seed):
    before = method(images, shares(parts), seed)
    after = method({"new": [Path("new/1.png")], **images}, shares(parts), seed)
    for one, other in zip(before, after, strict=True):
        assert one.images == {name: paths for name, paths in other.images.items() if name != "new"}


def test_by_identities_the_shares_are_met_on_average():
    images = {f"p{i}": [Path("x")] for i in range(20_000)}
    drawn = by_identities(images, read_shares(["a=0.5", "b=0.3", "c=0.2"]), 3)
    # Five standard deviations of a binomial with n = 20,000, p = 0.5 are 354.
    assert [part.identities for part in drawn] == pytest.approx([10_000, 6_000, 4_000], abs=354)


def test_a_person_with_one_image_goes_to_the_largest_part():
    images = {name: [Path(name)] for name in "abcdef"}
    small, large = by_images(images, read_shares(["small=0.4", "large=0.6"]), 1)
    assert (small.photos, large.photos) == (0, 6)


def test_people_and_seeds_are_drawn_independently():
    images = {name: [Path(str(i)) for i in range(40)] for name in "ab"}
    drawn = [by_images(images, read_shares(["a=.5", "b=.5"]), seed)[0].images[name] for seed in (0, 1) for name in "ab"]
    assert len({tuple(paths) for paths in drawn}) == 4


@pytest.mark.parametrize("by", ["images", "identities"])
def test_the_parts_are_links_and_the_folder_stays_as_it_is(by, faces, tmp_path):
    before = {name: (faces / name).read_text() for name in files(faces)}
    part_folder(faces, tmp_path / "out", read_shares(["train=0.7", "test=0.3"]), by=by, seed=1)
    assert {name: (faces / name).read_text() for name in files(faces)} == before
    parts = [files(tmp_path / "out" / name) for name in ("train", "test")]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(before)
    for path in (path for path in (tmp_path / "out").rglob("*.png")):
        assert path.is_symlink()
        assert path.read_text() == before["/".join(path.parts[-2:])]
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "out"}


def test_links_reach_the_photo_itself_through_another_splits_links(faces, tmp_path):
    part_folder(faces, tmp_path / "out", read_shares(["a=0.5", "b=0.5"]), by="identities", seed=1)
    part_folder(tmp_path / "out/a", tmp_path / "again", read_shares(["c=0.5", "d=0.5"]), by="images", seed=1)
    for path in (tmp_path / "again").rglob("*.png"):
        assert path.readlink() == faces / path.parent.name / path.name


def test_people_with_few_images_and_what_is_no_image_are_in_no_part(faces, tmp_path):
    (faces / "p4/notes.txt").touch()
    (faces / "notes.txt").touch()
    parted = part_folder(faces, tmp_path / "out", read_shares(["a=1"]), by="images", seed=1, min_images=3)
    assert set(parted.too_few) == {f"p{i}" for i in range(1, 31) if 1 + i % 5 < 3}
    assert {entry.path.relative_to(faces).as_posix() for entry in parted.left_out} == {"p4/notes.txt", "notes.txt"}
    assert files(tmp_path / "out") == {
        f"a/p{i}/{j}.png" for i in range(1, 31) for j in range(1 + i % 5) if 1 + i % 5 >= 3
    }


def test_a_part_that_nothing_falls_to_is_an_error_and_leaves_nothing(faces, tmp_path):
    with pytest.raises(DataError, match=r"faces: of 30 identities none falls to 'b'; give it a larger share"):
        part_folder(faces, tmp_path / "out", read_shares(["a=0.99999", "b=0.00001"]), by="identities", seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_thirds_and_decimals_sum_to_one_exactly():
    assert read_shares(["a=1/3", "b=1/3", "c=1/3"]) == dict.fromkeys("abc", Fraction(1, 3))
    assert sum(read_shares([f"p{i}=0.1" for i in range(10)]).values()) == 1


@given(people, weights, seeds)
def test_by_identities_all_spellings_of_a_name_are_in_one_part(images, parts, seed):
    images = images | {name: [Path(name, "1.png")] for name in ("Ann Li", "ann_li", "\uff21nn-Li")}
    (together,) = [part for part in by_identities(images, shares(parts), seed) if "Ann Li" in part.images]
    assert {"Ann Li", "ann_li", "\uff21nn-Li"} <= set(together.images)
