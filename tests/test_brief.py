"""The repr of every result is one short line."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from finetune.brief import Brief
from finetune.dataset.scanning import Layout
from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos
from finetune.path_list import PathList
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import Overlap

PAIRS = 900


def lfw_result():
    rows = np.random.default_rng(1).normal(size=(2, PAIRS, 8))
    return evaluate_pairs(rows[0], rows[1], np.arange(PAIRS) % 2 == 0)


def gallery():
    rows = np.random.default_rng(1).normal(size=(30, 8))
    photos = Photos.of(rows, [bytes(32)] * 30, ["a.png"] * 30)
    people = tuple(f"person {number}" for number in range(30))
    return Gallery(Contract("m", "w", 160, "fixed"), people, np.arange(30), photos, np.empty(0, int), Photos.none(8))


def test_a_result_on_pairs_shows_its_figures_and_counts_its_pairs():
    result = lfw_result()
    text = repr(result)
    assert "\n" not in text
    assert len(text) < 1000
    assert f"VerificationResult(accuracy={result.accuracy!r}, " in text
    assert f"n_pairs={PAIRS}" in text
    assert f"distances=<float32 [{PAIRS}]>" in text
    assert repr(result.fold_accuracy) in text


def test_a_gallery_shows_how_much_it_holds():
    text = repr(gallery())
    assert "people=<tuple of 30>, labels=<int64 [30]>, photos=Photos(…)" in text
    assert "embeddings=<float32 [30, 8]>" in repr(gallery().photos)


def test_few_items_are_shown_and_many_counted():
    assert "identities=('Ann', 'Bob')" in repr(Overlap(("Ann", "Bob"), 9, 3))
    assert "identities=('Ann',)" in repr(Overlap(("Ann",), 9, 3))
    assert "identities=<tuple of 4,281>" in repr(Overlap(("Ann",) * 4281, 9, 3))
    ann, bob = ("1.png",) * 500, ("2.png",)
    found = Layout(Path("faces"), {"Ann": ann, "Bob": bob}, PathList(map(Path, (*ann, *bob))), ())
    assert "files={'Ann': <tuple of 500>, 'Bob': ('2.png',)}" in repr(found)
    assert "every=<PathList of 501>" in repr(found)


@pytest.mark.parametrize(
    "part",
    [
        "align",
        "dataset",
        "doctor",
        "verification",
        "identification",
        "gallery",
    ],
)
def test_every_result_that_holds_arrays_or_long_lists_is_brief(part):
    module = importlib.import_module(f"finetune.{part}")
    long = re.compile(
        r"NDArray|Embeddings|Labels|Digests|Photos|VerificationResult|Path, \.\.\.|Quarantined, \.\.\.|Outcome, "
    )
    kinds = [kind for kind in (getattr(module, name) for name in module.__all__) if dataclasses.is_dataclass(kind)]
    assert kinds
    for kind in kinds:
        if any(long.search(str(field.type)) for field in dataclasses.fields(kind)):
            assert kind.__repr__ is Brief.__repr__, kind
