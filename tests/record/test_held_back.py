"""Held-back images are named by the nearest class mean."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

pytest.importorskip("tensorflow")
from finetune.record.held_back import HeldBack, by_nearest_mean

pytestmark = pytest.mark.tf


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_an_image_is_named_by_the_mean_it_has_the_largest_cosine_to():
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(5, 16))
    train_labels, labels = np.repeat(np.arange(5), 4), np.repeat(np.arange(5), 30)
    train, held_back = (unit(centres[of] + 1.5 * generator.normal(size=(len(of), 16))) for of in (train_labels, labels))
    found = by_nearest_mean(train, train_labels, held_back, labels)
    means = np.stack([train[train_labels == person].mean(axis=0) for person in range(5)])
    cosines = [[face @ mean / np.linalg.norm(mean) for mean in means] for face in held_back]
    right = [int(np.argmax(row)) == label for row, label in zip(cosines, labels, strict=True)]
    assert 30 < sum(right) < 150
    assert found.correct.tolist() == right
    assert found.accuracy == pytest.approx(sum(right) / 150)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_answers_are_counted_by_person_and_by_mistake(answers):
    people = ("Ann", "Bob", "Cleo", "Dan")
    labels, named = (np.array(column, np.int64) for column in zip(*answers, strict=True))
    found = HeldBack.of(people, labels, named)
    pairs = [(people[shown], people[other]) for shown, other in answers]
    assert found.by_person() == {
        name: (pairs.count((name, name)), sum(shown == name for shown, _ in pairs))
        for name in people
        if any(shown == name for shown, _ in pairs)
    }
    assert found.confusion().tolist() == [[pairs.count((shown, other)) for other in people] for shown in people]
    mistakes = found.mistakes()
    assert {(shown, other): n for shown, other, n in mistakes} == {
        pair: pairs.count(pair) for pair in pairs if pair[0] != pair[1]
    }
    assert [n for *_, n in mistakes] == sorted((n for *_, n in mistakes), reverse=True)
    again = HeldBack.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.people, again.labels.tolist(), again.named.tolist()) == (people, labels.tolist(), named.tolist())


@pytest.mark.parametrize("change", [{"named": [0, 1]}, {"labels": [0, 0]}, {"people": ["Ann"]}, {"correct": "11"}])
def test_stored_answers_that_do_not_agree_are_refused(change):
    stored = HeldBack.of(("Ann", "Bob"), np.array([0, 1]), np.array([0, 0])).to_json()
    with pytest.raises(ValueError, match="do not agree"):
        HeldBack.from_json(stored | change)


def test_what_is_stored_is_read_again():
    correct = np.array([True, False, True, True])
    stored = json.loads(json.dumps(HeldBack(correct).to_json()))
    assert stored == {"accuracy": 0.75, "correct": "1011"}
    assert HeldBack.from_json(stored).correct.tolist() == correct.tolist()
