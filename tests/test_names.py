"""One name under several spellings."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from finetune.names import look_the_same, same_identities, spelled_alike, spelling


def test_spellings_of_one_name_are_one_identity():
    trained = ["george w. bush", "Jose\u0301_Serra", "Ann Lee"]
    named = ["George_W_Bush", "José-Serra", "Anne_Lee", "George_W_Bush"]
    assert same_identities(trained, named) == {"George_W_Bush": "george w. bush", "José-Serra": "Jose\u0301_Serra"}


def test_words_are_not_run_together():
    assert same_identities(["Ann Eli"], ["Anne_Li", "AnnEli"]) == {}


def test_names_without_a_letter_are_nobody():
    assert same_identities(["-", "", "Ann"], ["?", "-", "ann"]) == {"ann": "Ann"}


@pytest.mark.parametrize(
    ("trained", "named"),
    [("राम", "रोम"), ("राम", "र_म"), ("กานต์", "กันต์"), ("M\u030car", "M_ar")],
    ids=["vowel signs", "a vowel sign and a space", "tones and vowels", "an accent and a space"],
)
def test_a_mark_is_a_part_of_its_letter(trained, named):
    assert same_identities([trained], [named]) == {}
    assert same_identities([f"{trained} {named}"], [f"{trained}_{named}"]) != {}


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_no_form_of_unicode_and_no_case_makes_another_name(name):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert spelling(unicodedata.normalize(form, name)) == spelling(name)
    assert spelling(name.casefold()) == spelling(name)


def test_other_spellings_of_a_name_are_found_with_the_first_one():
    names = ["Zoë", "Ann_Lee", "Bob", "Zoe\u0308", "-", "ann lee", "?", "Bob", "ANN-LEE", "Zoe"]
    assert spelled_alike(names) == [("Zoë", "Zoe\u0308"), ("Ann_Lee", "ann lee"), ("Ann_Lee", "ANN-LEE")]
    assert look_the_same(names) == [("Zoë", "Zoe\u0308")]
