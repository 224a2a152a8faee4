"""No idea is written twice: no six lines of the package stand in two places."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES = 6


def code_lines(text: str) -> list[tuple[int, str]]:
    """Return the number and text of each line of code, without blank lines, comments, docstrings and imports."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_text = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if is_text or isinstance(node, (ast.Import, ast.ImportFrom)):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in numbered if line and line[0] != "#" and number not in left_out]


def shared(texts: dict[str, str]) -> list[str]:
    """Return the places, `file:line`, of every run of `LINES` lines that stands more than once."""
    places = defaultdict(list)
    for name, text in texts.items():
        lines = code_lines(text)
        for start in range(len(lines) - LINES + 1):
            run = lines[start : start + LINES]
            places[tuple(line for _, line in run)].append(f"{name}:{run[0][0]}")
    return [" ~ ".join(where) for where in places.values() if len(where) > 1]


def test_no_six_lines_of_the_package_stand_twice() -> None:
    paths = sorted((ROOT / "finetune").rglob("*.py"))
    assert len(paths) > 100
    assert shared({str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}) == []


@pytest.mark.parametrize(("count", "found"), [(5, []), (6, ["a.py:4 ~ b.py:3"])])
def test_lines_that_stand_twice_are_found_whatever_stands_around_them(count: int, found: list[str]) -> None:
    lines = [f"step_{number}()" for number in range(count)]
    first = "import os\n\ndef f():\n" + "".join(f"    {line}\n" for line in lines)
    second = 'def g():\n    """A docstring."""\n' + "".join(f"    {line}\n\n    # why\n" for line in lines)
    assert shared({"a.py": first, "b.py": second}) == found
