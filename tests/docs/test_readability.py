"""Sentences are short in the README, on every page of the documentation, and in all docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEDIAN, NINTH_DECILE = 16, 30
"""Limits in words: for the median sentence, and for the sentence that nine of ten don't exceed."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TREES = ("finetune", "tests", "benchmarks", "docs")
"""Folders whose docstrings are read."""
OPENINGS = ("Of", "That", "Those", "What", "Likewise", "As", "Also")
"""Words that begin a fragment, not a sentence of a docstring."""


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs and list items of Markdown, without code, tables and headings."""
    text = re.sub(r"^( *)```.*?^\1```", "\n\n", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not re.match(r"\s*(\||#|>>>|\.\.\.|!\[)", line)]
        yield from re.split(r"\n\s*(?:[-*]|\d+\.) ", "\n" + "\n".join(lines))


def lengths(paragraph: str) -> list[int]:
    """Return the number of words of each sentence; code in backticks is one word."""
    plain = re.sub(r"`[^`]*`", "code", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph))
    sentences = re.split(r"(?<=[.!?])[*_\")]*\s+", plain)
    return [len(words) for sentence in sentences if (words := re.findall(r"\w\S*", sentence))]


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield place and text of each docstring, including those that follow assignments."""
    for path in sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                for statement in node.body:
                    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                        text = statement.value.value
                        if isinstance(text, str):
                            yield f"{path.relative_to(ROOT)}:{statement.lineno}", inspect.cleandoc(text)


def entries(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring, and each entry of its sections."""
    for block in paragraphs(docstring):
        yield from re.split(r"\n\s*(?:[\w, *]+: |(?:Args|Returns|Raises|Attributes|Example|Yields):)", block)


def assert_short(found: list[int]) -> None:
    found.sort()
    assert statistics.median(found) <= MEDIAN
    assert found[int(0.9 * len(found))] <= NINTH_DECILE


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_sentences_of_a_page_are_short(page: Path) -> None:
    found = [n for block in paragraphs(page.read_text(encoding="utf-8")) for n in lengths(block)]
    if found:
        assert_short(found)


def test_the_sentences_of_docstrings_are_short() -> None:
    assert_short([n for _, text in docstrings() for block in entries(text) for n in lengths(block)])


def test_no_docstring_begins_with_a_fragment() -> None:
    assert [place for place, text in docstrings() if text.split(maxsplit=1)[0] in OPENINGS] == []


def test_long_sentences_are_seen() -> None:
    assert lengths("One two three. Four `code with words` six! Seven") == [3, 3, 1]
    text = "Title.\n\n```bash\none two\n```\n\n| a | b |\n- first item\n- second [linked item](x.md)\n"
    assert [n for block in paragraphs(text) for n in lengths(block)] == [1, 2, 3]


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900
