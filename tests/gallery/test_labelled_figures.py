"""Figures of labelled photos equal counts by hand, and their tables and JSON hold them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.gallery.identification import Face, Identification, own_ranks
from finetune.gallery.labelled import label_photos
from finetune.gallery.labelled_figures import LabelledFigures, PersonCounts, measure_labelled
from finetune.gallery.labelled_tables import show_figures
from finetune.gallery.prototypes import NOBODY
from finetune.verification import wilson

pytestmark = pytest.mark.tf
PEOPLE = ("Ann", "Bob", "Cem", "Dan")


def answer(name: str, best: str, score: float, rank: int | None = None, threshold: float = 0.5) -> Identification:
    path = Path(name)
    said = best if score > threshold else "unknown"
    return Identification(Face(path, path.parent, path), said, score, best, own_rank=rank)


def measured(strangers: int = 99) -> LabelledFigures:
    answers = [
        answer("Ann/1.png", "Ann", 0.9, 1),
        answer("Ann/2.png", "Bob", 0.8, 2),
        answer("Ann/3.png", "Bob", 0.4, 4),
        answer("Bob/1.png", "Bob", 0.7, 1),
        answer("Cem/1.png", "Ann", 0.6, 3),
        *(answer(f"stranger {n}/1.png", "Dan", n / 150) for n in range(strangers)),
    ]
    return measure_labelled(label_photos(answers, PEOPLE), len(PEOPLE))


def test_they_equal_counts_by_hand():
    found = measured()
    assert found.cmc.rates.tolist() == [2 / 5, 3 / 5, 4 / 5, 1]
    assert (found.tpir.value, found.tpir.n) == (2 / 5, 5)
    assert found.fpir.value == np.mean([n / 150 > 0.5 for n in range(99)])
    assert (found.fpir.low, found.fpir.high) == tuple(wilson(found.fpir.value, 99))
    thresholds = [(0.01, 98 / 150, 0.4), (0.1, 89 / 150, 0.4)]
    assert [(at.target, at.threshold, at.tpir.value) for at in found.rates] == thresholds
    assert found.people == (
        PersonCounts("Ann", 3, 1, 1, {"Bob": 1}),
        PersonCounts("Cem", 1, 0, 0, {"Ann": 1}),
        PersonCounts("Bob", 1, 1, 0, {}),
    )
    assert found.confusions() == [("Ann", "Bob", 1), ("Cem", "Ann", 1)]
    point = int(np.flatnonzero(found.curve.thresholds == 0.6)[0])
    assert found.curve.negatives[point] == pytest.approx(3 / 5)  # of five, two are Ann and Bob above 0.6


def test_what_can_not_be_measured_is_left_out():
    few = measured(strangers=5)
    assert (few.rates, few.curve is None) == ((), False)
    alone = measured(strangers=0)
    assert (alone.fpir, alone.rates, alone.curve) == (None, (), None)
    assert [name for name, _ in alone.rows()] == ["rank 1", "TPIR (1 - FNIR) at this threshold"]
    others = measure_labelled(label_photos([answer("Eve/1.png", "Ann", 0.9)], PEOPLE), 4)
    assert (others.tpir, others.cmc, others.people) == (None, None, ())
    unranked = measure_labelled(label_photos([answer("Ann/1.png", "Ann", 0.9)], PEOPLE), 4)
    assert unranked.cmc is None
    json.dumps([found.to_json() for found in (few, alone, others, unranked)], allow_nan=False)


def test_the_tables_show_the_worst_and_the_json_holds_all(capsys):
    found = measured()
    show_figures(found)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["rank", "1", "0.4000"] for line in lines)
    assert any(line.split()[:5] == ["Ann", "3", "1", "1", "Bob"] for line in lines)
    assert any("1 person more: every photo right" in line for line in lines)
    assert any("equal error rate" in line for line in lines)
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (stored["tpir"]["value"], stored["fnir"]) == (0.4, 0.6)
    assert stored["confusions"] == [["Ann", "Bob", 1], ["Cem", "Ann", 1]]
    assert stored["people"][0] == {"name": "Ann", "photos": 3, "right": 1, "unknown": 1, "confused": {"Bob": 1}}
    assert len(stored["curve"]["fpir"]) == len(stored["curve"]["fnir"]) == len(stored["curve"]["thresholds"])


class Stub:
    """Classifier with given scores."""

    classes_ = np.array([0, 2, 5])

    def __init__(self, scores):
        self._scores = np.array(scores, float)

    def scores(self, rows):
        return self._scores[np.asarray(rows)[:, 0].astype(int)]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_ranks_are_those_of_all_scores_except_for_the_exact_first_place(at_once, monkeypatch):
    monkeypatch.setattr("finetune.gallery.identification.AT_ONCE", at_once)
    scores = [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.5, 0.5, 0.1], [0.1, 0.2, 0.3]]
    rows = np.arange(4)[:, np.newaxis]
    first = np.array([0, 0, 2, 5])
    own = np.array([2, NOBODY, 2, 0])
    assert own_ranks(Stub(scores), rows, own, first).tolist() == [2, 0, 1, 3]
    # Scores that round to another order do not undo the decision.
    assert own_ranks(Stub(scores), rows, np.array([0, 0, 0, 5]), np.array([2, 0, 2, 5])).tolist() == [2, 1, 2, 1]
