"""Every link within the documentation leads to a file, and to a heading of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.generate.markdown import anchor

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md")
    if path.is_file()
)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def headings(path: Path) -> list[str]:
    lines = BLOCK.sub("", path.read_text(encoding="utf-8")).splitlines()
    titles = [line.lstrip("#").strip() for line in lines if re.match(r"#{1,6} ", line)]
    return [anchor(re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)) for title in titles]


def wrong(path: Path) -> list[str]:
    found = []
    for target in LINK.findall(CODE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (path.parent / unquote(name)).resolve() if name else path
        if not file.exists():
            found.append(f"{target}: no such file")
        elif heading and Counter(headings(file))[heading] != 1:
            found.append(f"{target}: no heading of that name, or several")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path):
    assert wrong(path) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](#one-two) [b](#three) [c](no.md) `[d](no.md)`\n```\n[e](no.md)\n```\n")
    assert [line.partition(":")[0] for line in wrong(page)] == ["#three", "no.md"]
