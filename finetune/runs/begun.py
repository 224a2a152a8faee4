"""Comparison of a resumed run's inputs with those that it began with, as its folder keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from finetune import files
from finetune.errors import Problem, UserError, bounded
from finetune.images import Preprocessing
from finetune.progress import say
from finetune.recipe import Recipe
from finetune.record import environment
from finetune.runs.measured import part_of
from finetune.runs.opening import Inputs
from finetune.words import dotted

IMAGES = "images.sha256"
"""File that lists the images, one line `SHA256  PART/PERSON/FILE` per image."""
LONGEST = 60
"""Largest number of characters of a value in a message."""


def refuse_other_recipe(recipe: Recipe, stored: Path) -> None:
    """Refuse a recipe that differs from the one that a run began with.

    Args:
        recipe: recipe of the resumed run.
        stored: path of `recipe.yaml` in the run's folder.

    Raises:
        UserError: some keys differ, one line per key; or the stored recipe can't be read.
    """
    different = list(_differences(Recipe.load(stored).to_value(), recipe.to_value()))
    if different:
        raise UserError(
            *(
                Problem(
                    f"{stored} {dotted(at).lstrip('.')}",
                    f"the run began with {_shown(old)}, where the recipe now says {_shown(new)}",
                    f"resume it with finetune run {stored} --resume",
                )
                for at, old, new in different
            )
        )
    # An earlier finetune kept the path of a schedule file instead of its steps.
    values = yaml.safe_load(files.read(stored, files.SMALL))
    for stage in values["stages"]:
        rate = stage.get("learning_rate")
        if isinstance(rate, Mapping) and "file" in rate:
            say(
                f"stage {stage['name']!r}: an earlier finetune began the run and kept no copy of {rate['file']}: "
                "whether the rates are the same can't be checked"
            )


def refuse_other_inputs(inputs: Inputs, folder: Path, stored: Mapping[str, Any]) -> None:
    """Refuse a checkpoint, images or pairs that differ from those that a run began with.

    Args:
        inputs: inputs of the resumed run.
        folder: folder of the run.
        stored: contents of its `inputs.json`.

    Raises:
        UserError: some inputs differ; one line per difference. Images are named one by one, up to a limit.
    """
    now = inputs.summary()
    problems = [*_checkpoint(inputs, stored["checkpoint"], now["checkpoint"])]
    if "images" in stored:
        if stored["images"]["sha256"] != now["images"]["sha256"]:
            problems += _images(inputs, folder / IMAGES)
    else:
        say(
            f"{folder}: an earlier finetune began the run and kept no digests of the images: "
            "whether they are the same can't be checked, but for their names"
        )
        begun = {"strangers": {"sha256": None}, **stored}
        problems += [
            Problem(_where(inputs, part), "other files than")
            for part in ("data", "strangers")
            if begun[part]["sha256"] != now[part]["sha256"]
        ]
    # Values that an earlier finetune did not keep are not compared.
    if any(now["lfw"][key] != stored["lfw"].get(key, now["lfw"][key]) for key in ("sha256", "folds")):
        problems.append(Problem(inputs.recipe.lfw.pairs if inputs.recipe.lfw else "lfw", "other pairs than"))
    for name, one in now.get("measure", {}).items():
        before = stored.get("measure", {}).get(name, one)
        if (one["sha256"], one["folds"]) != (before["sha256"], before["folds"]):
            problems.append(Problem(inputs.recipe.sets[name].pairs, "other pairs than"))
    for name, section in inputs.recipe.sets.items():
        one, before = ({"lfw": parts["lfw"], **parts.get("measure", {})}.get(name, {}) for parts in (now, stored))
        if section.groups and one.get("groups") != before.get("groups"):
            problems.append(Problem(section.groups, "other groups than"))
    if now["lfw"]["trained"] != stored["lfw"].get("trained", now["lfw"]["trained"]):
        problems.append(Problem(inputs.recipe.begins_with, "class_names.txt beside it names other people than"))
    if problems:
        raise UserError(
            *(
                Problem(
                    problem.where,
                    f"{problem.found} when the run in {folder} began",
                    "put back what it began with, or start a new run",
                )
                for problem in problems
            )
        )


def warn_of_another_machine(stored: Mapping[str, Any], replicas: int) -> None:
    """Print what has changed in the versions and the machine.

    Such changes may alter a run's last bits, but are not refused.
    """
    now = environment(replicas)
    for at, old, new in _differences({key: value for key, value in stored.items() if key in now}, now):
        if at[0] in stored:
            say(
                f"warning: the run began with {dotted(at).lstrip('.')} {_shown(old)} and goes on with {_shown(new)}: "
                "its figures may differ from an uninterrupted run's"
            )


def _checkpoint(inputs: Inputs, begun: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the differences of the checkpoint. Each `found` is completed by "when the run began"."""
    where = inputs.recipe.begins_with
    for name in {**begun["sha256"], **now["sha256"]}:
        if begun["sha256"].get(name) != now["sha256"].get(name):
            yield Problem(f"{where}: {name}", "other contents than")
    for key in ("image_size", "standardization", "channels", "convert"):
        before = begun["preprocessing"].get(key, getattr(Preprocessing(), key))
        if before != now["preprocessing"][key]:
            yield Problem(where, f"{key} {now['preprocessing'][key]}, not {before} as")


def _images(inputs: Inputs, path: Path) -> list[Problem]:
    """Return the images that were changed, added or removed since `path` was written, in the form of `_checkpoint`."""
    try:
        before = _by_name(files.read(path).decode().splitlines())
    except (OSError, ValueError):
        before = {}
    now = _by_name(inputs.image_lines)
    found = []
    for name in {**before, **now} if before else ():
        part, _, image = name.partition("/")
        if before.get(name) != now.get(name):
            what = "new, and not there" if name not in before else "gone, but there"
            what = "other contents than" if name in before and name in now else what
            found.append(Problem(f"{_where(inputs, part)}: {image}", what))
    if not found:
        unnamed = f"other images than ({path} is missing or damaged, and can't name them)"
        return [Problem(inputs.recipe.data.train, unnamed)]
    return bounded(found, path, "other images than")


def _by_name(lines: Sequence[str]) -> dict[str, str]:
    """Return `{PART/PERSON/FILE: SHA256}`."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _where(inputs: Inputs, part: str) -> Path:
    """Return the folder of a part of the images, as the recipe names it."""
    recipe = inputs.recipe
    sets = {part_of(name): section.dir for name, section in recipe.sets.items()}
    if part in sets:
        return sets[part]
    if part == "validation" and recipe.data.validation:
        return recipe.data.validation
    strangers = recipe.data.strangers
    return strangers if part == "strangers" and isinstance(strangers, Path) else recipe.data.train


def _differences(old: Any, new: Any, at: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Any, Any]]:
    """Yield the keys, old value and new value of each difference between two recipes, or parts of recipes."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), (*at, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (before, after) in enumerate(zip_longest(old, new)):
            yield from _differences(before, after, (*at, index))
    elif old != new:
        yield at, old, new


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
