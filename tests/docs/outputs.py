"""Comparison of the output that pages show with the output of their commands: only the figures may differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

OWN_RECIPE = Path(__file__).resolve().parent.parent.parent / "docs/tutorials/own-recipe.md"
BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
"""Language and content of a block of code."""
MASKS = (
    (r"\S*/\S*", "/"),  # paths, and `1/5` of epochs
    (r"[-+±]?\d[\d,]*(\.\d+)?(e-?\d+)?\*?", "#"),
    (r"# (s|min|h|ms)\b", "# s"),
    (r"# (MiB|GiB|KiB)\b", "# MiB"),
    (r"#(\.#|#)+", "#"),
    (r"\b(Ann|Bob|Zoë)\b", "NAME"),
    (r"unknown, nearest NAME", "NAME"),
    (r"\b((rose|fell) by #|stayed\b)", "moved"),
    (r"# pairs\b", "# pair"),
    (r"─+", "─"),
    (r"\s+", " "),
)
"""Patterns of the text that differs between machines or sets of photos, each with its stand-in."""


def blocks(page: Path) -> list[list[str]]:
    """Return the lines of each block of output in a page."""
    return [[line for line in block.splitlines() if line.strip()] for block in code(page, "")]


def code(page: Path, *languages: str) -> Iterator[str]:
    """Yield the blocks of code in one of some languages; those of output have none."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield block


def masked(text: str) -> str:
    """Return a text without the parts that may differ."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text.strip()


def unlike(lines: list[str], got: str) -> list[str]:
    """Return the lines that are missing in the actual output."""
    whole = masked(got)
    return [line for line in lines if masked(line) not in whole]


def recipe_blocks() -> tuple[str, str, str]:
    """Return three blocks of the recipe that the reader writes: its first stage, its pairs, its second stage."""
    first, pairs, second, *_ = code(OWN_RECIPE, "yaml")
    return first, pairs, second
