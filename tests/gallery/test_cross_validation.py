"""Splits by share and by folds, and the accuracy over folds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

from finetune.errors import DataError
from finetune.gallery.cross_validation import cross_validate, split_by_share, split_in_folds
from tests.gallery.conftest import vectors

COUNTS = st.lists(st.integers(2, 12), min_size=2, max_size=5)


def names(counts) -> list[str]:
    """Return a list with as many images per person as counted, in a mixed order."""
    people = [f"person {chr(97 + person)}" for person, count in enumerate(counts) for _ in range(count)]
    return np.random.default_rng(3).permutation(people).tolist()


@given(COUNTS, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_share_of_each_persons_images_is_tested_on(counts, share, seed):
    people = names(counts)
    split = split_by_share(people, share, seed)
    assert sorted([*split.train, *split.test]) == list(range(len(people)))
    tested = Counter(people[row] for row in split.test)
    for person, count in Counter(people).items():
        assert 1 <= tested[person] <= count - 1
        assert abs(tested[person] - share * count) <= max(0.5, 1 - share * count, share * count - (count - 1)) + 1e-9


def test_the_seed_alone_decides_a_split():
    people = names([30, 20, 9])
    one, same, other = (split_by_share(people, 0.3, seed).test.tolist() for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 9 + 6 + 3


@given(COUNTS, st.integers(0, 5))
def test_each_image_is_tested_on_once_and_folds_have_the_same_share_of_each_person(counts, seed):
    people, folds = names(counts), min(counts)
    splits = split_in_folds(people, folds, seed)
    assert len(splits) == folds
    assert sorted(row for split in splits for row in split.test) == list(range(len(people)))
    for split in splits:
        assert sorted([*split.train, *split.test]) == list(range(len(people)))
        tested = Counter(people[row] for row in split.test)
        for person, count in Counter(people).items():
            assert count // folds <= tested[person] <= -(-count // folds)


def test_the_scores_of_the_folds_are_those_of_scikit_learn():
    labels = np.arange(4).repeat(10)
    embeddings = vectors(labels, spread=2.5)
    done = cross_validate("logistic", embeddings, labels, split_in_folds([str(label) for label in labels], 5, seed=7))
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    theirs = LogisticRegression(C=10, max_iter=1000)
    for ours, score in ((done.accuracies, "accuracy"), (done.accuracies, "f1_micro"), (done.macro_f1, "f1_macro")):
        np.testing.assert_allclose(ours, cross_val_score(theirs, embeddings, labels, cv=folds, scoring=score))
    np.testing.assert_array_equal(done.predictions, cross_val_predict(theirs, embeddings, labels, cv=folds))
    assert 0.3 < done.accuracies.mean() < 1
    assert done.accuracies.mean() == pytest.approx(np.mean(done.predictions == labels))


@pytest.mark.parametrize(
    ("counts", "folds", "line"),
    [
        ([5], 2, "images of 1 person; it takes two; add photos"),
        (
            [5, 3, 9],
            4,
            "person b has 3 images; each of the 4 folds tests on one at least; leave such people out by --min-images "
            "4, or lower --folds",
        ),
        (
            [4, 1, 2],
            3,
            "person b has 1 image, and 1 person more too few; each of the 3 folds tests on one at least; leave such "
            "people out by --min-images 3, or lower --folds",
        ),
    ],
)
def test_too_few_images_for_the_folds_are_told(counts, folds, line):
    with pytest.raises(DataError) as raised:
        split_in_folds(names(counts), folds)
    assert str(raised.value) == line


def test_one_image_of_a_person_can_not_be_split():
    with pytest.raises(DataError) as raised:
        split_by_share(names([5, 1]), 0.3)
    assert str(raised.value) == (
        "person b has 1 image; a split takes one to train on and one to test on; leave such people out by "
        "--min-images 2"
    )
