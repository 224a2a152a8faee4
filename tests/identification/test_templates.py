"""Identification of templates equals an independent computation, with any number of probes at once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finetune.identification import templates
from finetune.identification.templates import identify_templates


def drawn(seed: int, enrolled: int = 12, strangers: int = 120) -> tuple:
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=[enrolled, 6])
    gallery_labels = np.concatenate([np.arange(enrolled), [0, 3, 3]])  # some people have several templates
    probe_labels = generator.integers(0, enrolled, 60)

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    probes = [centers[probe_labels] + generator.normal(size=[60, 6]), generator.normal(size=[strangers, 6])]
    return (
        unit(centers[gallery_labels] + 0.5 * generator.normal(size=[enrolled + 3, 6])),
        [f"p{n}" for n in gallery_labels],
        unit(np.concatenate(probes)),
        [f"p{n}" for n in probe_labels] + [f"s{n}" for n in range(strangers)],
    )


@pytest.mark.parametrize("at_once", [1, 7, 1024])
def test_it_equals_an_independent_computation(at_once, monkeypatch):
    monkeypatch.setattr(templates, "AT_ONCE", at_once)
    gallery, enrolled, probes, subjects = drawn(at_once)
    found = identify_templates(gallery, enrolled, probes, subjects)
    ranks, own_scores, false_scores = [], [], []
    for probe, subject in zip(probes, subjects, strict=True):
        scores: dict[str, float] = {}
        for row, person in zip(gallery, enrolled, strict=True):
            scores[person] = max(scores.get(person, -2), float(row @ probe))
        ordered = sorted(scores, key=scores.__getitem__, reverse=True)
        if subject in scores:
            ranks.append(1 + ordered.index(subject))
            own_scores.append(scores[subject] if ordered[0] == subject else -2)
        else:
            false_scores.append(scores[ordered[0]])
    assert found.cmc.rates.tolist() == [np.mean([rank <= k for rank in ranks]) for k in range(1, 11)]
    false_scores.sort(reverse=True)
    for rates, target in zip(found.rates, (0.01, 0.1), strict=True):
        threshold = false_scores[int(target * 121 + 1e-9) - 1]  # the conservative one, of 120 strangers
        assert rates.threshold == pytest.approx(threshold)
        assert rates.tpir.value == np.mean([score > threshold + 1e-12 for score in own_scores])
    assert (found.n_gallery, found.n_mated, found.n_non_mated) == (12, 60, 120)
    assert found.lines() == [
        "12 people enrolled; 60 mated probes and 120 non-mated",
        *(f"Identification rate at rank {rank}: {found.cmc.at(rank)}" for rank in (1, 5, 10)),
        *(f"TPIR @ FPIR={rates.target:g}: {rates.tpir}" for rates in found.rates),
    ]
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["rates"][0]["tpir"]["value"] == found.rates[0].tpir.value


def test_probes_of_one_kind_have_the_figures_that_they_can_have():
    gallery, enrolled, probes, subjects = drawn(0)
    mated = identify_templates(gallery, enrolled, probes[:60], subjects[:60])
    assert mated.cmc is not None
    assert (mated.rates, mated.curve, mated.n_non_mated) == ((), None, 0)
    others = identify_templates(gallery, enrolled, probes[60:], subjects[60:])
    assert (others.cmc, others.rates, others.curve, others.n_mated) == (None, (), None, 0)
    assert others.lines() == ["12 people enrolled; 0 mated probes and 120 non-mated"]


def test_too_few_strangers_for_a_rate_leave_it_out():
    gallery, enrolled, probes, subjects = drawn(0, strangers=20)
    assert [rates.target for rates in identify_templates(gallery, enrolled, probes, subjects).rates] == [0.1]
