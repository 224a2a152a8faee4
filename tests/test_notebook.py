"""Notebooks show recipes and results as tables, whose cells are escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from finetune.notebook import html_table
from finetune.recipe import Recipe, Stage


class Cells(HTMLParser):
    """The texts of a table's cells, in rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_a_table_has_its_cells_escaped():
    found = Cells(html_table("<b>", [("a", 1, "<script>x</script>"), ("b", None, "ü")], ("", "n", "t")))
    assert found.rows == [["", "n", "t"], ["a", "1", "<script>x</script>"], ["b", "None", "ü"]]
    assert "script" not in found.tags


def test_a_stage_and_a_recipe_show_their_keys(tmp_path: Path):
    stage = Stage("head", train_from="Logits", epochs=3, learning_rate=0.01, loss="arcface")
    shown = dict(Cells(stage._repr_html_()).rows)
    assert (shown["name"], shown["epochs"], shown["learning_rate"]) == ("head", "3", "0.01")
    assert "arcface" in shown["loss"]
    recipe = Recipe.from_values({"checkpoint": "m", "output": "o", "data": {"train": "d"}, "stages": (stage,)})
    assert dict(Cells(recipe._repr_html_()).rows)["checkpoint"] == "m"


def test_a_result_shows_the_figures_of_its_lines():
    np = pytest.importorskip("numpy")
    from finetune import evaluate_pairs

    generator = np.random.default_rng(1)
    same = np.arange(40) % 2 == 0
    first = generator.normal(size=(40, 8))
    second = np.where(same[:, None], first + 0.5 * generator.normal(size=(40, 8)), generator.normal(size=(40, 8)))
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second))
    result = evaluate_pairs(first, second, same)
    shown = dict(Cells(result._repr_html_()).rows)
    assert shown["accuracy"] == f"{np.mean(result.fold_accuracy):.4f} ± {np.std(result.fold_accuracy):.4f}"
    assert shown["pairs"] == "40, of one person 20, in 10 folds"
