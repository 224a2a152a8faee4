"""One identity under several spellings."""

from __future__ import annotations

from finetune.evaluation.overlap import same_identities


def test_spellings_of_one_name_are_one_identity():
    trained = ["george w. bush", "Jose\u0301_Serra", "Ann Lee"]
    named = ["George_W_Bush", "José-Serra", "Anne_Lee", "George_W_Bush"]
    assert same_identities(trained, named) == {"George_W_Bush": "george w. bush", "José-Serra": "Jose\u0301_Serra"}


def test_words_are_not_run_together():
    assert same_identities(["Ann Eli"], ["Anne_Li", "AnnEli"]) == {}
