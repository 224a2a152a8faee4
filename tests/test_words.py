from __future__ import annotations

import re
from pathlib import Path

import pytest

from finetune.words import counted

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("number", "noun", "form", "text"),
    [
        (0, "photo", "", "0 photos"),
        (1, "photo", "", "1 photo"),
        (2, "photo", "", "2 photos"),
        (1, "person", "", "1 person"),
        (3, "person", "", "3 people"),
        (2, "identity", "", "2 identities"),
        (2, "class", "", "2 classes"),
        (7701, "image", ",", "7,701 images"),
    ],
)
def test_a_number_agrees_with_its_noun(number, noun, form, text):
    assert counted(number, noun, form) == text


def test_the_command_line_counts_with_it():
    """No message of a command puts a number of photos, images, files or people before a noun that is always plural."""
    always = re.compile(r"\{[^{}]*\} (photos|images|people|files|embeddings|pairs)\b(?! are)")
    for source in sorted((ROOT / "finetune/cli").glob("*.py")):
        for line in source.read_text(encoding="utf-8").splitlines():
            assert not always.search(line) or "than {" in line, f"{source.name}: {line.strip()}"
