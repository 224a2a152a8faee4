"""A good recipe, and the functions by which the tests here read recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.errors import RecipeError
from finetune.recipe.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]

GOOD = """\
checkpoint: ~/models/m
output: runs/r
data: {train: faces, validation_split: 0.1}
lfw: {dir: lfw, pairs: pairs.txt}
stages:
  - name: head
    train_from: Logits
    epochs: 5
  - name: last block
    train_from: Block8
    epochs: 10
"""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str | bytes, overrides: dict[str, object] | None = None) -> Recipe:
    Path("x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Recipe.load("x.yaml", overrides)


def problems(text: str | bytes, overrides: dict[str, object] | None = None) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        load(text, overrides)
    assert caught.value.exit_status == 2
    return tuple(map(str, caught.value.problems))
