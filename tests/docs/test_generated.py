"""The generated pages of the reference agree with the code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import finetune
from docs.generate.pages import FOLDER, pages
from finetune.cli import COMMANDS, build_parser
from finetune.recipe import recipe_schema
from finetune.training.history import history_columns

ROOT = Path(__file__).resolve().parent.parent.parent


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_pages_are_those_that_the_code_gives():
    made = pages()
    old = [name for name, page in made.items() if not (FOLDER / name).is_file() or text(name) != page]
    old += [f"api/{path.name}" for path in (FOLDER / "api").glob("*.md") if f"api/{path.name}" not in made]
    assert not old, f"run python -m docs.generate, which changes {', '.join(old)} in docs/reference"


def test_the_pages_are_made_without_tensorflow():
    script = "import sys; from docs.generate.pages import pages; pages(); sys.exit('tensorflow.python' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def keys(schema: dict) -> Iterator[str]:
    for definition in (schema, *schema["$defs"].values()):
        yield from definition["properties"]


def test_every_key_of_a_recipe_has_an_entry():
    page = text("recipe.md")
    words = {
        word for line in page.splitlines() if line.startswith(("### ", "Choose it by")) for word in line.split("`")
    }
    found = {word.rpartition(".")[2].partition(":")[0] for word in words}
    assert set(keys(recipe_schema())) <= found


def test_every_command_and_option_has_an_entry_in_the_order_of_the_program():
    page = text("commands.md")
    headings = [line.strip("# `").split()[1] for line in page.splitlines() if line.startswith("## ")]
    assert headings == list(COMMANDS)
    for name, parser in build_parser()[1].items():
        section = page.partition(f"\n## `finetune {name}`\n")[2].partition("\n## ")[0]
        assert all(
            f"- `{action.option_strings[-1]}" in section for action in parser._actions[1:] if action.option_strings
        )


def test_every_public_name_and_every_column_has_an_entry():
    assert all(f"\n## `{name}`\n" in text("api/finetune.md") for name in finetune.__all__)
    assert all(f"\n| `{name}` | " in text("history.md") for name in history_columns())
