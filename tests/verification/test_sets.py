"""Sets of pairs that share images are measured in one pass, each as if it were measured alone."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.recipe import LFW, MeasuredSet
from finetune.verification import ImagePairs, PairSet, distinct_images, measure_lfw, measure_sets
from finetune.verification.protocols import by_name

FAR = {"protocol": "fixed_far", "far": 0.2}


class Counting:
    """An embedder that counts images and mirror images."""

    def __init__(self) -> None:
        self.images: Counter[Path] = Counter()
        self.mirrored: Counter[Path] = Counter()
        self.calls = 0

    def __call__(self, paths, /, *, flip):
        self.images.update(paths)
        self.mirrored.update(paths if flip else ())
        self.calls += 1
        rows = np.array([np.random.default_rng(zlib.crc32(str(path).encode())).normal(size=8) for path in paths])
        return (rows if flip else rows[:, :4]).astype(np.float32).reshape(len(paths), -1)


class Record(NamedTuple):
    """A record of a file, as far as its contents tell it apart."""

    digest: bytes


def pairs_of(images: list[int], seed: int, n: int = 40) -> ImagePairs:
    paths = tuple(Path(f"p{i // 3}/p{i // 3}_{i:04d}.png") for i in images)
    index = np.random.default_rng(seed).integers(len(images), size=(2, n))
    index[1, index[0] == index[1]] -= 1
    return ImagePairs(paths, index[0], index[1] % len(images), np.arange(n) % 2 == 0, 2)


def one_set(name: str, images: list[int], seed: int, **values) -> PairSet:
    if name == "lfw":
        return PairSet(name, LFW(dir="x", pairs="y", **values), pairs_of(images, seed))
    section = MeasuredSet(name=name, images="x", pairs="y", **values)
    return PairSet(name, section, pairs_of(images, seed), by_name(section.protocol, **section.options))


def alone(one: PairSet, trained=()):
    lfw = LFW(
        dir="x",
        pairs="y",
        distance=one.section.distance,
        subtract_mean=one.section.subtract_mean,
        flip=one.section.flip,
    )
    return measure_lfw(Counting(), one.pairs, lfw, trained, one.protocol)


SETTINGS = st.fixed_dictionaries(
    {"distance": st.sampled_from(["euclidean", "cosine"]), "flip": st.booleans(), "subtract_mean": st.booleans()}
)


@settings(max_examples=30, deadline=None)
@given(
    sets=st.lists(
        st.tuples(st.lists(st.integers(0, 30), min_size=6, max_size=20, unique=True), SETTINGS, st.booleans()),
        min_size=1,
        max_size=4,
    ),
    has_lfw=st.booleans(),
)
def test_each_image_is_embedded_once_and_every_figure_is_that_of_the_set_alone(sets, has_lfw):
    opened = []
    for number, (images, values, by_far) in enumerate(sets):
        name = "lfw" if has_lfw and not number else f"set{number}"
        extra = FAR | {"subtract_mean": False} if by_far and name != "lfw" else {}
        opened.append(one_set(name, images, number, **values | extra))
    embed = Counting()
    found = measure_sets(embed, opened, trained=["p2"])
    assert list(found) == [one.name for one in opened]
    assert set(embed.images) == {path for one in opened for path in one.pairs.paths}
    assert set(embed.images.values()) == {1}
    assert set(embed.mirrored) == {path for one in opened if one.section.flip for path in one.pairs.paths}
    assert set(distinct_images(opened, flip=False)) == set(embed.images)
    assert set(distinct_images(opened, flip=True)) == set(embed.mirrored)
    for one in opened:
        result = found[one.name]
        assert result.name == (None if one.name == "lfw" else one.name)
        without = result.without_overlap and dataclasses.replace(result.without_overlap, name=None)
        assert dataclasses.replace(result, name=None, without_overlap=without) == alone(one, ["p2"])


def test_a_set_alone_is_embedded_in_one_call_just_as_it_lists_its_images():
    calls = []

    def embed(paths, /, *, flip):
        calls.append((paths, flip))
        return Counting()(paths, flip=flip)

    lfw = one_set("lfw", list(range(9)), 1, flip=True)
    copies = dict.fromkeys(lfw.pairs.paths, Record(b"the same bytes"))
    measure_sets(embed, [lfw], records=copies)
    assert calls == [(lfw.pairs.paths, True)]


def test_a_file_with_the_bytes_of_another_set_is_not_embedded_again():
    first, second = one_set("a", list(range(9)), 1), one_set("b", list(range(20, 29)), 1)
    digests = {path: Record(bytes([number])) for one in (first, second) for number, path in enumerate(one.pairs.paths)}
    embed = Counting()
    found = measure_sets(embed, [first, second], records=digests)
    assert set(embed.images) == set(first.pairs.paths)
    assert found["a"].accuracy == found["b"].accuracy
    assert np.array_equal(found["a"].distances, found["b"].distances)


def test_a_set_that_can_not_be_opened_is_named(tmp_path):
    section = MeasuredSet(name="novel", images=tmp_path, pairs=tmp_path / "none.txt")
    with pytest.raises(DataError) as caught:
        PairSet.open("novel", section)
    assert str(caught.value).startswith(f"measure.novel: {tmp_path / 'none.txt'}: ")
    with pytest.raises(DataError) as caught:
        PairSet.open("lfw", LFW(dir=tmp_path, pairs=tmp_path / "none.txt"))
    assert str(caught.value).startswith(f"{tmp_path / 'none.txt'}: ")


def test_a_sample_that_is_too_small_for_its_rate_is_refused():
    one = one_set("novel", list(range(20)), 1, protocol="fixed_far", far=0.06, sample=0.5)
    with pytest.raises(DataError, match=r"measure\.novel: y: 10 pairs of two people can't tell"):
        one.sampled()
    assert len(dataclasses.replace(one, protocol=by_name("fixed_far", far=0.1)).sampled().pairs.is_same) == 20


def test_a_sample_of_fewer_pairs_of_a_kind_than_folds_is_drawn():
    one = one_set("novel", list(range(20)), 1, **FAR, sample=0.5)
    is_same = np.arange(40) < 1
    pairs = dataclasses.replace(one.pairs, is_same=is_same, n_folds=10)
    assert np.count_nonzero(dataclasses.replace(one, pairs=pairs).sampled().pairs.is_same) == 1
