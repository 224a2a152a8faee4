"""Curves follow their definition, and SVG takes its colours from the page."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

pytest.importorskip("tensorflow")
from finetune.report import charts
from finetune.training.history import EpochRow
from finetune.training.objectives import CORRECT, LOSS
from finetune.verification.protocols.lfw import evaluate_pairs

pytestmark = pytest.mark.tf


def result(seed=0, n=60):
    generator = np.random.default_rng(seed)
    first = generator.normal(size=[n, 8])
    same = np.arange(n) % 2 == 0
    second = np.where(same[:, None], first + 0.7 * generator.normal(size=[n, 8]), generator.normal(size=[n, 8]))
    rows = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (first, second)]
    return evaluate_pairs(*rows, same, n_folds=2, far_target=0.1)


BASE = result()


@given(
    same=st.lists(st.integers(0, 30), min_size=1, max_size=40),
    different=st.lists(st.integers(0, 30), min_size=1, max_size=40),
)
def test_the_roc_curve_counts_the_pairs_within_each_distance(same, different):
    is_same = np.repeat([True, False], [len(same), len(different)])
    found = dataclasses.replace(BASE, distances=np.array(same + different, np.float32), is_same=is_same)
    far, val = charts.rates(found)
    different = np.sort(found.distances[~found.is_same])
    for f, v, threshold in zip(far, val, different, strict=True):
        within = found.distances <= threshold
        assert v == within[found.is_same].mean()
        assert f <= within[~found.is_same].mean()
    assert far[0] == 1 / len(different)
    assert far[-1] == 1
    assert (np.diff(val) >= 0).all()


def everything():
    numbers = [("head", 2.0, 0.5, 1.5, 0.4, 0.8), ("block", 1.0, 0.7, 1.2, 0.6, 0.7)]
    names = ("loss", "accuracy", "validation_loss", "validation_accuracy", "strangers_accuracy")
    rows = [EpochRow(stage, 1, 1, dict(zip(names, row, strict=True))) for stage, *row in numbers]
    lfw = result()
    point = charts.TradeOff(lfw, None)
    return {
        "roc": charts.roc([charts.Named("baseline", lfw), charts.Named("head", result(1))], "pairs.txt"),
        "distances": charts.distances(charts.Named("before the run", lfw)),
        "loss": charts.training(rows, LOSS),
        "accuracy": charts.training(rows, CORRECT),
        "strangers": charts.strangers(rows, point),
        "lfw": charts.lfw([rows[0], EpochRow("block", 1, 1, {"lfw_accuracy": 0.75, "lfw_val": 0.25})], lfw),
    }


def test_colours_and_fonts_are_the_pages():
    for name, chart in everything().items():
        assert chart.svg.startswith('<svg aria-hidden="true" focusable="false" '), name
        assert not re.findall(r"#[0-9a-fA-F]{6}\b", chart.svg), name
        assert not re.findall(r"font-family|font:|<style|<metadata|<\?xml|<!DOCTYPE", chart.svg), name
        assert "var(--ink)" in chart.svg
        assert "var(--series-1)" in chart.svg
        assert not re.search(r'(href|src)="(?!#)', chart.svg)
        assert "<text" in chart.svg, "letters must stay letters"


def test_no_two_charts_of_a_page_share_a_name():
    names = [re.findall(r' id="([^"]+)"', chart.svg) for chart in everything().values()]
    together = [name for found in names for name in found]
    assert len(together) == len(set(together))
    for chart in everything().values():
        assert set(re.findall(r"#([\w.-]+)", chart.svg)) <= set(together)


def test_who_can_not_see_them_is_told():
    found = everything()
    assert found["roc"].description == (
        f"Validation rate over false accept rate. baseline: area {result().auc:.4f}; head: area {result(1).auc:.4f}."
    )
    assert found["loss"].description.startswith(
        "By epoch: training from 2 to 1; held back from 1.5 to 1.2. Stages: “head” from epoch 1, “block” from epoch 2."
    )
    assert found["strangers"].description == f"strangers, verified: from {result().accuracy:.4f} to 0.7000."
    before = result()
    assert found["lfw"].description == (
        f"accuracy: from {before.accuracy:.4f} to 0.7500; validation rate: from {before.val:.4f} to 0.2500."
    )
    lfw = result()
    assert f"threshold of the folds is {lfw.threshold:.3f}" in found["distances"].description


def test_what_was_not_kept_is_not_drawn():
    old = dataclasses.replace(result(), distances=None, is_same=None, folds=None)
    assert charts.roc([charts.Named("baseline", old)], "pairs.txt") is None
    assert charts.distances(charts.Named("baseline", old)) is None
    assert charts.training([], LOSS) is None
    assert charts.training([EpochRow("triplets", 1, 1, {"loss": 1.0})], CORRECT) is None
    assert charts.strangers([], None) is None
    assert charts.lfw([EpochRow("s", 1, 1, {"loss": 1.0})], result()) is None
    assert charts.lfw([EpochRow("s", 1, 1, {"lfw_accuracy": 1.0})], None) is None


def test_an_epoch_without_a_measurement_leaves_no_gap_in_the_line():
    rows = [EpochRow("s", 1, epoch, {"lfw_val": 0.5} if epoch % 2 == 0 else {}) for epoch in range(1, 5)]
    assert charts._since(0.25, rows, "lfw_val") == {0: 0.25, 2: 0.5, 4: 0.5}
