from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.dataset.scanning import Dataset
from finetune.dataset.splitting import hold_out, split_validation

people = st.dictionaries(st.text("abcé", min_size=1), st.integers(1, 30), min_size=1, max_size=6)
fractions = st.integers(0, 99).map(lambda percent: percent / 100)
seeds = st.integers(0, 2**63)


def dataset(images: dict[str, int]) -> Dataset:
    names = tuple(sorted(images))
    paths = tuple(Path(name) / f"{i:04d}.png" for name in names for i in range(images[name]))
    labels = np.repeat(np.arange(len(names)), [images[name] for name in names])
    return Dataset(Path("faces"), names, paths, labels)


def of_person(part: Dataset, name: str) -> list[Path]:
    return [path for path, label in zip(part.paths, part.labels, strict=True) if part.class_names[label] == name]


@given(people, fractions, seeds)
def test_each_image_lands_in_one_part_under_its_own_label(images, fraction, seed):
    whole = dataset(images)
    parts = split_validation(whole, fraction, seed)
    assert sorted(path for part in parts for path in part.paths) == sorted(whole.paths)
    for part in parts:
        assert part.class_names == whole.class_names
        assert part.labels.dtype == np.int64
        assert [part.class_names[label] for label in part.labels] == [path.parent.name for path in part.paths]
        assert list(part.paths) == sorted(part.paths)


@given(people, st.integers(1, 99), seeds)
def test_of_n_images_n_minus_floor_of_what_remains_are_held_back(images, percent, seed):
    _, validation = split_validation(dataset(images), percent / 100, seed)
    for name, n in images.items():
        published = n - math.floor(n * (1 - Decimal(percent) / 100))
        assert len(of_person(validation, name)) == min(max(published, 1), n - 1)


def test_the_count_is_that_of_the_decimal_that_was_written():
    _, validation = split_validation(dataset({"ann": 100}), 0.07, 0)
    assert len(validation) == 7  # in binary, 100 - floor(100 * (1 - 0.07)) is 8


@given(people, seeds)
def test_without_a_fraction_nothing_is_held_back(images, seed):
    whole = dataset(images)
    train, validation = split_validation(whole, 0.0, seed)
    assert train.paths == whole.paths
    assert len(validation) == 0
    assert validation.class_names == whole.class_names


@given(people, fractions, seeds)
def test_adding_a_person_changes_nobody_elses_split(images, fraction, seed):
    before = split_validation(dataset(images), fraction, seed)
    after = split_validation(dataset(images | {"newcomer": 9}), fraction, seed)
    for name in images:
        for one, other in zip(before, after, strict=True):
            assert of_person(one, name) == of_person(other, name)


def test_people_and_seeds_are_drawn_independently():
    images = {"ann": 40, "bob": 40}
    drawn = set()
    for seed in (0, 1):
        _, validation = split_validation(dataset(images), 0.5, seed)
        drawn |= {tuple(path.name for path in of_person(validation, name)) for name in images}
    assert len(drawn) == 4


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.99])
def test_a_person_with_one_image_stays_in_training(fraction):
    train, validation = split_validation(dataset({"ann": 1, "bob": 2}), fraction, 666)
    assert len(of_person(train, "ann")) == 1
    assert len(of_person(validation, "bob")) == 1


@given(st.permutations(["Zo\u00eb", "zoe\u0308", "ZO\u00cb"]), seeds)
def test_a_person_is_held_out_in_all_spellings_or_in_none(names, seed):
    for part in hold_out(dataset(dict.fromkeys([*names, "ann", "bob"], 1)), 0.5, seed):
        assert len(set(part.class_names) & set(names)) in (0, 3)


@given(st.integers(2, 30), seeds)
def test_another_unicode_form_of_a_name_draws_the_same_images(n, seed):
    composed, decomposed = (split_validation(dataset({name: n}), 0.3, seed) for name in ("Zo\u00eb", "Zoe\u0308"))
    for one, other in zip(composed, decomposed, strict=True):
        assert [path.name for path in one.paths] == [path.name for path in other.paths]
