"""The site is built whole, and opens from disk without loading anything from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Loaded(HTMLParser):
    """An HTML parser that collects the files that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == LOADED.get(tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr + built.stdout
    return folder


def test_every_page_is_built_and_has_a_place_in_the_navigation(site):
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for path in (ROOT / "docs").rglob("*.md"):
        name = path.relative_to(ROOT / "docs").as_posix()
        assert (site / name).with_suffix(".html").is_file()
        assert re.search(rf"(- |: ){re.escape(name)}$", nav, re.MULTILINE), f"add {name} to nav in mkdocs.yml"


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # which servers show, for any path
            continue
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        for target in loaded.found:
            assert not re.match(r"(https?:)?//", target), f"{page.name} loads {target}"
            assert target.startswith("data:") or (page.parent / target.partition("?")[0]).exists()
