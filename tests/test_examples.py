"""Every public name has an example that gives what it shows, on drawn faces laid out as the demo's."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest

import finetune
from finetune.progress import printing

pytestmark = pytest.mark.tf


@pytest.fixture
def demo(faces: Path, drawn_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_reports) -> None:
    """Make a working folder that looks as `finetune demo` leaves it."""
    data = tmp_path / "runs/demo/data"
    data.mkdir(parents=True)
    for name, target in {"faces": "learn", "strangers": "strangers", "pairs.txt": "pairs.txt"}.items():
        (data / name).symlink_to(faces / target)
    (tmp_path / "runs/demo/checkpoint").symlink_to(drawn_checkpoint)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(set(finetune.__all__) - {"__version__"}))
def test_the_example_of_a_public_name_runs(demo, name: str) -> None:
    text = inspect.getdoc(getattr(finetune, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert test.examples, f"{name} has no example"
    told: list[str] = []
    with printing(False):
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert result.failed == 0, "".join(told)
