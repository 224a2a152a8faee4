from __future__ import annotations

import ast
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.words import DIRECTIONS, UNPRINTABLE, counted, escaped

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
    """Assert that no message puts a number before a noun that is always plural, such as photos, images or people."""
    always = re.compile(r"\{[^{}]*\} (photos|images|people|files|embeddings|pairs)\b(?! are)")
    for source in sorted((ROOT / "finetune/cli").glob("*.py")):
        for line in source.read_text(encoding="utf-8").splitlines():
            assert not always.search(line) or "than {" in line, f"{source.name}: {line.strip()}"


@given(st.text())
def test_nothing_is_left_that_a_terminal_acts_on_and_all_else_stays(text):
    shown = escaped(text, "\n")
    kept = [c for c in text if c.isprintable() and c not in DIRECTIONS]
    assert all(c == "\n" or unicodedata.category(c) not in UNPRINTABLE for c in shown)
    assert DIRECTIONS.isdisjoint(shown)
    assert shown == text or len(shown) > len(text)
    left = iter(shown)
    assert all(c in left for c in kept)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\udcff.png", "\\udcff.png"),
        ("Zoë 王", "Zoë 王"),
    ],
)
def test_what_can_not_be_printed_is_an_escape(text, shown):
    assert escaped(text) == shown


def test_everything_is_printed_by_one_function():
    apart = {"progress.py", "export/reload.py"}  # itself; and what runs without finetune, in an environment of its own
    for path in sorted((ROOT / "finetune").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printed = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
        assert not printed or path.relative_to(ROOT / "finetune").as_posix() in apart, f"{path}: {printed}"
