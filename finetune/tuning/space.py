"""The space of a search: keys of the recipe, each with a range or a list of choices, read from a YAML file."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from finetune.errors import RecipeError
from finetune.recipe import RANGES, Document, Recipe
from finetune.schema import EXPONENT, Fault, Section, Unread, Wants
from finetune.words import described

Load = Callable[[Mapping[str, object]], Recipe]
"""Function that returns the recipe with some of its values replaced, by dotted key."""
DIGITS = 4
"""Significant digits of the numbers that are tried."""
HOW = "give {low: …, high: …}, with log: true for a logarithmic scale, or a list of two choices or more"
WHERE = "search keys of stages, augment.…, or batch_size"
SEARCHED = ("stages", "augment", "batch_size")
"""Sections of a recipe whose keys can be searched."""
NO_CHANGE = ("name", "accept")
"""Keys of a stage that can't be searched."""


class _Range(Section):
    """Range as the file gives it."""

    low: Annotated[float, Wants("a number")]
    high: Annotated[float, Wants("a number")]
    log: bool = False

    def rules(self) -> Iterator[Fault]:
        """Yield the problems between the bounds."""
        low, high = (isinstance(value, float) for value in (self.low, self.high))
        if low and high and self.low >= self.high:
            yield Fault(("high",), f"found {self.high:g}, where low is {self.low:g}", "give a higher one")
        if low and self.log and self.low <= 0:
            yield Fault(("low",), f"found {self.low:g} with log: true", "give a number above 0")


class Span(NamedTuple):
    """Range of a number.

    Attributes:
        low, high: lowest and highest value.
        log: True to search the logarithm of the value.
        whole: True for whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[float, ...]:
        """Values to check: both bounds."""
        return self.near(self.low), self.near(self.high)

    def near(self, value: float) -> float:
        """Return the nearest value that is tried: a whole number, or one of few digits."""
        return round(value) if self.whole else min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def holds(self, value: object) -> bool:
        """Return whether a value lies in the range."""
        return not isinstance(value, bool) and isinstance(value, (int, float)) and self.low <= value <= self.high


class Choices(NamedTuple):
    """Values to choose from."""

    ends: tuple[Any, ...]

    def holds(self, value: object) -> bool:
        """Return whether a value is one of the choices."""
        return value in self.ends


Space = Mapping[str, Span | Choices]
"""Range or choices of each dotted key. Stages are named by their number."""


def read_space(path: str | os.PathLike[str], load: Load, numbered: Callable[[str], str]) -> Space:
    """Return the space in a YAML file.

    Args:
        path: path of the file: dotted keys as in the command line's `key=value`, each with a range or a list.
        load: function that returns the recipe with some of its values replaced.
        numbered: function that replaces a stage's name in a dotted key by its number.

    Raises:
        RecipeError: some keys or values can't be used. Every problem is one line, with the file's line.
    """
    document = Document(path, RANGES)
    recipe = load({})
    space: dict[str, Span | Choices] = {}
    found = [] if document.values else [Fault((), "found no keys", WHERE)]
    for key, value in document.values.items():
        name = numbered(str(key))
        if why_not := _refused(name, recipe):
            found.append(Fault((key,), *why_not))
        elif name in space:
            found.append(Fault((key,), "given twice, by name and by number", "give it once"))
        elif isinstance(domain := _domain(value), Unread):
            found += [fault._replace(keys=(key, *fault.keys)) for fault in domain.faults]
        else:
            space[name] = domain = _whole_if_needed(name, domain, load)
            found += [fault._replace(keys=(key,)) for fault in _unusable(name, domain, load)]
    if problems := document.problems(dict.fromkeys(found)):
        raise RecipeError(*problems)
    return space


def own_values(recipe: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the recipe's own value of each key that has one in the space.

    Args:
        recipe: recipe in plain keys and values.
        space: space of the search.
    """
    found = {}
    for key, domain in space.items():
        value = functools.reduce(_item, key.split("."), recipe)
        if domain.holds(value):
            found[key] = value
    return found


def _item(holder: Any, key: str) -> Any:
    """Return the item of a mapping or list at a key, or None."""
    if isinstance(holder, list):
        return holder[int(key)] if key.isdigit() and int(key) < len(holder) else None
    return holder.get(key) if isinstance(holder, dict) else None


def _refused(name: str, recipe: Recipe) -> tuple[str, str] | None:
    """Return what is wrong with a key and advice, or None if it can be searched."""
    first, *rest = name.split(".")
    if first not in SEARCHED:
        return "not searched: all trials share images, checkpoint and measurements", WHERE
    if first == "stages" and (len(rest) < 2 or rest[1] in NO_CHANGE):
        return "not searched: it names or judges a stage", "give a key that changes the stage's training"
    if name in ("augment", "augment.random_crop") and recipe.data.align:
        return "not searched with data.align: the crops depend on it", "set it in the recipe"
    return None


def _domain(value: object) -> Span | Choices | Unread:
    """Read the range or the choices of a key."""
    if isinstance(value, list):
        choices = tuple(map(_number, value))
        several = len(choices) > 1 and not any(choice in choices[:place] for place, choice in enumerate(choices))
        return Choices(choices) if several else Unread(Fault((), f"found {described(value)}", HOW))
    if not isinstance(value, dict):
        return Unread(Fault((), f"found {described(value)}", HOW))
    given = {key: _number(part) for key, part in value.items()}
    read = _Range.read(given)
    if read.faults:
        return Unread(*read.faults)
    return Span(read.low, read.high, read.log, isinstance(given["low"], int) and isinstance(given["high"], int))


def _number(value: object) -> object:
    """Return the number that a text such as `1e-4` means, which YAML 1.1 reads as text; other values are unchanged."""
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _whole_if_needed(name: str, domain: Span | Choices, load: Load) -> Span | Choices:
    """Return a range between whole numbers with all numbers in it, if the recipe takes them at this key."""
    if isinstance(domain, Choices) or not domain.whole:
        return domain
    between = domain._replace(low=float(domain.low), high=float(domain.high), whole=False)
    refuses = [*_unusable(name, Choices((between.low + 0.5,)), load)]
    return domain if refuses else between


def _unusable(name: str, domain: Span | Choices, load: Load) -> Iterator[Fault]:
    """Yield the problems of a recipe with the ends of a range, or with each choice."""
    for value in domain.ends:
        try:
            load({name: value})
        except RecipeError as error:
            for problem in error.problems:
                where = str(problem.where).removeprefix("command line ")
                found = problem.found if where == name else f"with {described(value)}, {where}: {problem.found}"
                yield Fault((), found, problem.advice)
