"""Protocols are found by name, and take the options that they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.errors import Problem, UserError
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import K_FOLD, PROTOCOLS, Option, VerificationProtocol, all_options, by_name

PAIRS = ImagePairs(
    paths=tuple(Path(f"P{i}/P{i}_0001.png") for i in range(4)),
    index1=np.array([0, 0, 1]),
    index2=np.array([1, 2, 3]),
    is_same=np.array([True, False, False]),
    n_folds=2,
)
SIZE = Option("n_parts", "N", int, "a whole number", "number of parts")


@pytest.fixture
def parts(monkeypatch) -> None:
    """Register a second protocol, `parts`, with the option `n_parts`."""

    def needs(_pairs, where, *, n_parts=1, **_):
        yield Problem(where, f"{n_parts} parts")

    monkeypatch.setitem(PROTOCOLS, "parts", VerificationProtocol("parts", "in parts", K_FOLD.evaluate, needs, (SIZE,)))


def test_every_protocol_is_found_by_its_own_name_with_its_defaults():
    assert [by_name(name).name for name in PROTOCOLS] == list(PROTOCOLS)
    assert by_name("k_fold").summary == K_FOLD.summary


def test_an_unknown_name_is_refused_with_the_known_ones(parts):
    with pytest.raises(UserError, match=rf"^protocol: found 'ten'; choose one of {', '.join(PROTOCOLS)}$"):
        by_name("ten")


def test_options_are_bound_to_the_protocol_that_has_them(parts):
    assert all_options()["n_parts"] is SIZE
    for given, told in (({}, "1 parts"), ({"n_parts": 3}, "3 parts")):
        (problem,) = by_name("parts", **given).needs(PAIRS, "pairs.txt", distance="cosine", subtract_mean=False)
        assert str(problem) == f"pairs.txt: {told}"


def test_each_option_of_another_protocol_is_refused_with_the_one_that_has_it(parts):
    with pytest.raises(UserError) as refused:
        by_name("k_fold", n_parts=3, colour="red")
    assert str(refused.value).splitlines() == [
        "n_parts: not an option of k_fold; parts has it",
        "colour: not an option of k_fold; leave it out",
    ]
    assert refused.value.exit_status == 2


def test_k_fold_needs_as_many_pairs_of_each_kind_as_folds():
    settings = {"distance": "euclidean", "subtract_mean": True}
    (problem,) = K_FOLD.needs(PAIRS, "pairs.txt", **settings)
    assert str(problem) == (
        "pairs.txt: 1 pair of one person and 2 of two can be used, and 2 folds need 2 of each; give more pairs, or a "
        "header with fewer folds"
    )
    enough = PAIRS.only(np.array([0, 0, 1, 2]))
    assert list(K_FOLD.needs(enough, "pairs.txt", **settings)) == []
