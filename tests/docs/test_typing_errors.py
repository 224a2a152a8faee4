"""The page on recipes shows typing errors with the messages that finetune gives."""

from __future__ import annotations

from finetune.cli import main
from tests.docs import outputs

TYPING_ERRORS = (("validation_split", "validation_spilt"), ("train_from: Logits", "train_from: Logit"))


def test_two_typing_errors_are_told_as_the_page_shows_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe, _, _ = outputs.recipe_blocks()
    for right, wrong in TYPING_ERRORS:
        recipe = recipe.replace(right, wrong)
    (tmp_path / "mine.yaml").write_text(recipe)
    assert main(["check", "mine.yaml"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told in outputs.blocks(outputs.OWN_RECIPE)
