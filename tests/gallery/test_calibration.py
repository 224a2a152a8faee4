"""Thresholds are order statistics that keep their promise on people never seen, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from finetune.errors import DataError
from finetune.gallery.calibration import calibrate, left_out_share, threshold_at
from finetune.gallery.classifiers import make
from finetune.gallery.compare import pair_threshold
from finetune.gallery.gallery import Gallery
from tests.gallery.conftest import CONTRACT, gallery, photos, vectors


def at(far, scores, people=None, pairwise=False):
    scores = np.asarray(scores, float)
    people = np.arange(len(scores)) if people is None else np.asarray(people)
    return threshold_at(far, scores, people, pairwise=pairwise, source="strangers")


@pytest.mark.parametrize(("far", "n", "k"), [(0.01, 99, 1), (0.01, 199, 2), (0.05, 100, 5), (0.1, 9, 1), (0.5, 10, 5)])
def test_with_one_photo_each_it_is_the_kth_highest_score(far, n, k):
    scores = np.random.default_rng(n).permutation(n).astype(float)
    found = at(far, scores)
    assert found.value == np.sort(scores)[::-1][k - 1]
    assert (found.low, found.high) == pytest.approx(tuple(stats.beta(k, n + 1 - k).ppf([0.025, 0.975])))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), min_size=1, max_size=60),
    st.sampled_from([0.1, 0.3, 0.6]),
)
def test_no_lower_threshold_would_do(rows, far):
    people, scores = (np.array(column) for column in zip(*rows, strict=True))
    n = len(np.unique(people))

    def expected(threshold):
        shares = [np.mean(scores[people == person] > threshold) for person in np.unique(people)]
        return (sum(shares) + 1) / (n + 1)

    if far < 1 / (n + 1):
        with pytest.raises(DataError):
            at(far, scores, people)
        return
    found = at(far, scores, people)
    assert expected(found.value) <= far + 1e-9
    assert all(expected(lower) > far for lower in set(scores.tolist()) if lower < found.value)


@pytest.mark.parametrize(("photos_each", "n"), [(1, 99), (1, 400), (4, 200)])
def test_the_rate_on_people_never_seen_is_as_promised(photos_each, n):
    """Draw scores from a known distribution, whose false accept rate at a threshold is exact."""
    generator = np.random.default_rng(n + photos_each)
    rates, inside = [], 0
    for _ in range(2000):
        own = generator.normal(size=n)  # a stranger's photos are alike
        scores = np.repeat(own, photos_each) + 0.5 * generator.normal(size=n * photos_each)
        found = at(0.01, scores, np.repeat(np.arange(n), photos_each))
        rate = stats.norm.sf(found.value, scale=np.sqrt(1.25))
        rates.append(rate)
        inside += found.low <= rate <= found.high
    assert np.mean(rates) <= 0.01 + 3 * np.std(rates) / np.sqrt(2000)
    assert np.mean(rates) >= 0.004
    assert inside / 2000 >= 0.93


def test_people_left_out_in_turn_promise_what_holds_for_strangers():
    """Draw people as random directions, and measure the rate on fresh ones."""
    rates, inside = [], 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        rows = generator.normal(size=[900, 12])
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        enrolled = Gallery.empty(CONTRACT, 12).add([f"p{i}" for i in range(300)], photos(rows[:300]))
        prototypes = make("prototype", 300)
        prototypes.fit(enrolled.embeddings, enrolled.labels)
        found = calibrate(enrolled, prototypes, "prototype", 0.02)
        rates.append(np.mean(prototypes.best(rows[300:]).scores[:, 0] > found.value))
        inside += found.low <= rates[-1] <= found.high
    assert 0.01 < np.mean(rates) < 0.025
    assert inside >= 36


@pytest.mark.parametrize("name", ["k-nearest", "svm"])
def test_classifiers_are_trained_without_the_people_who_stand_for_strangers(name):
    enrolled = gallery(people=40, each=3, size=24, spread=0.9)
    classifier = make(name, 40)
    classifier.fit(enrolled.embeddings, enrolled.labels)
    found = calibrate(enrolled, classifier, name, 0.1)
    strangers = vectors(np.arange(1000, 1400), 24, spread=0.9, seed=3)
    rate = np.mean(classifier.best(strangers).scores[:, 0] > found.value)
    assert found.low / 2 < rate < 2 * found.high
    assert found.strangers == 40


def test_enrolled_strangers_take_the_place_of_the_gallerys_own_people():
    strangers = photos(vectors(np.arange(100, 220)), seed=4)
    found = gallery(people=3).add_strangers(np.arange(120), strangers)
    prototypes = make("prototype", 3)
    prototypes.fit(found.embeddings, found.labels)
    threshold = calibrate(found, prototypes, "prototype", 0.01)
    assert threshold.value == prototypes.best(strangers.embeddings).scores[:, 0].max()
    assert str(threshold).endswith("from 120 strangers)")


@pytest.mark.parametrize(
    ("people", "far", "told"),
    [
        (
            3,
            0.01,
            "enrolled people (3) can promise a false accept rate of no less than 0.4, not 0.01, for which it takes 198",
        ),
        (100, 0.01, "no less than 0.0197, not 0.01, for which it takes 198"),
        (100, 0.001, "not 0.001, for which it takes 1998"),
    ],
)
def test_too_few_people_are_told_how_many_it_takes(people, far, told):
    found = gallery(people=people, each=1)
    prototypes = make("prototype", people)
    prototypes.fit(found.embeddings, found.labels)
    with pytest.raises(DataError) as refused:
        calibrate(found, prototypes, "prototype", far)
    assert told in str(refused.value)
    assert at(far, np.arange(int(1 / far) - 1)).strangers == int(1 / far) - 1  # strangers: half as many


def test_a_checkpoints_own_classifier_can_leave_nobody_out():
    with pytest.raises(DataError, match="takes strangers"):
        calibrate(gallery(people=300, each=1), make("prototype", 300), "head", 0.1)


def test_what_becomes_of_the_enrolled_photos_is_said():
    found = gallery(people=30, each=4, spread=0.7)
    prototypes = make("prototype", 30)
    prototypes.fit(found.embeddings, found.labels)
    threshold = calibrate(found, prototypes, "prototype", 0.1)
    correctly = unknown = 0
    for row, label in enumerate(found.labels):
        rest = np.arange(len(found)) != row
        best = make("prototype", 30).fit(found.embeddings[rest], found.labels[rest]).best(found.embeddings[[row]])
        correctly += best.labels[0, 0] == label and best.scores[0, 0] > threshold.value
        unknown += best.scores[0, 0] <= threshold.value
    assert left_out_share(found, prototypes, threshold) == (
        f"of 120 enrolled photos, each left out in turn, {correctly / 120:.4f} are named correctly, "
        f"{unknown / 120:.4f} unknown, {(120 - correctly - unknown) / 120:.4f} as somebody else"
    )


def test_the_threshold_of_pairs_is_exceeded_by_as_many_as_was_asked_for():
    found = gallery(people=150, each=2).add_strangers(np.arange(100), photos(vectors(np.arange(200, 300)), seed=8))
    threshold = pair_threshold(found, 0.01)
    first = [np.flatnonzero(found.labels == label)[0] for label in range(150)]
    rows = np.concatenate([found.embeddings[first], found.strangers.embeddings])
    similarities = (rows @ rows.T)[np.triu_indices(250, 1)]
    assert np.mean(similarities > threshold.value) == pytest.approx(0.01, abs=1 / len(similarities))
    assert threshold.low < 0.01 < threshold.high
    assert threshold.strangers == 250


def test_too_few_people_for_pairs_are_told_with_how_many_more_and_which_rate():
    """Assert the least rate that pairs of n people promise, 1 / (n / 2 + 1): 0.01316 for 150 people, 0.01 for 198."""
    nobody = Gallery.empty(CONTRACT, 16)
    found = nobody.add_strangers(np.arange(150), photos(vectors(np.arange(150))))
    with pytest.raises(DataError) as refused:
        pair_threshold(found, 0.01)
    assert str(refused.value) == (
        "a false accept rate of 0.01 takes 198 people, enrolled and strangers, where 150 can be compared; "
        "add 48 strangers (finetune enroll GALLERY FOLDER --strangers), or give --far 0.0132 or more"
    )
    assert pair_threshold(found, 0.0132).far == 0.0132
    more = found.add_strangers(np.arange(48), photos(vectors(np.arange(200, 248)), seed=4))
    assert pair_threshold(more, 0.01).far == 0.01
    with pytest.raises(DataError, match=r"198 people, .* where 0 can be compared; add 198 strangers \([^)]*\)$"):
        pair_threshold(nobody, 0.01)


def test_a_rate_that_no_more_people_make_possible_is_told(monkeypatch):
    monkeypatch.setattr("finetune.gallery.compare.MOST_PEOPLE", 60)
    with pytest.raises(DataError, match=r"198 people, .* where 50 can be compared; give --far 0\.0385 or more$"):
        pair_threshold(gallery(people=100, each=1), 0.01)
