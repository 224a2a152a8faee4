"""The beginning of a search: Optuna is there, and the folder is new or holds the same search."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from finetune import files
from finetune.errors import Problem, UserError
from finetune.recipe import Recipe
from finetune.runs import Inputs
from finetune.tuning.space import Space
from finetune.tuning.trial import DAMAGED
from finetune.words import listed

BEGUN = "search.json"


def refuse_missing_optuna() -> None:
    """Refuse to search without Optuna.

    Raises:
        UserError: Optuna is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UserError(Problem("tune", "optuna is not installed", "pip install 'facenet-finetune[tune]'"))


def refuse_other_files(folder: Path) -> None:
    """Refuse a folder that holds something else than a search.

    Raises:
        UserError: it does.
    """
    if not (folder / BEGUN).exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(Problem(folder, "the folder holds something other than a search", "choose another --output"))


def refuse_other_search(folder: Path, recipe: Recipe, inputs: Inputs, space: Space, held_out: float) -> None:
    """Note what the search begins with, or refuse a folder whose search began with something else.

    Args:
        folder: folder of the search.
        recipe: recipe as given.
        inputs: opened inputs, with all images.
        space: range or choices of each searched key.
        held_out: share of each person's images that the search never sees.

    Raises:
        UserError: it did; the message names what.
        DataError: the note is damaged.
    """
    summary = inputs.summary()
    parts = {
        "another recipe": recipe.to_value(),
        "other ranges": {key: domain._asdict() for key, domain in space.items()},
        "another share held out": held_out,
        "other images": summary["images"]["sha256"],
        "another checkpoint": summary["checkpoint"]["sha256"],
    }
    path, now = folder / BEGUN, json.loads(json.dumps(parts))
    if not path.exists():
        files.write_json(path, now)
        return
    with files.reading(path, DAMAGED):
        begun = json.loads(files.read(path))
        other = [name for name in now if begun[name] != now[name]]
    if other:
        found = f"the search there began with {listed(other, 'and')}"
        raise UserError(Problem(folder, found, "choose another --output, or remove the folder"))
