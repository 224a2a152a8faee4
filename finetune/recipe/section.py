"""A recipe's section: a frozen dataclass whose fields check themselves and tell every problem at once.

A value is checked where a section is constructed, whether Python or a recipe gave it. What fails is
kept as `UNREAD` until the end, so that the rules between fields still see all that could be read.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

from finetune.errors import RecipeError
from finetune.recipe.checks import MISSING, Check, did_you_mean, listed


class Problem(NamedTuple):
    """One problem: the keys that lead to it, and `what was found; what to do`."""

    at: tuple[object, ...]
    text: str


class SectionError(RecipeError):
    """Every problem of one section.

    Attributes:
        found: the problems, their keys counted from this section.
        partial: the section with `UNREAD` where a field could not be read.
    """

    def __init__(self, title: str, found: Iterable[Problem], partial: object) -> None:
        self.title, self.found, self.partial = title, tuple(found), partial
        super().__init__(*(f"{title}{dotted(at)}: {text}" for at, text in self.found))


class _Unread:
    """A value that could not be read; false, so that the rules between fields pass over it."""

    def __bool__(self) -> bool:
        return False


UNREAD: Any = _Unread()


def dotted(at: Iterable[object]) -> str:
    """Keys as they are shown after a section's name: `.stages[1].train_from`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in at)


@dataclasses.dataclass(frozen=True)
class Section:
    """The base of the sections, whose fields are annotated with their checks: `Annotated[int, whole(1)]`.

    Raises:
        RecipeError: values that can't be used, one line each.
    """

    def __post_init__(self) -> None:
        self._read(vars(self))

    def _read(self, given: Mapping[str, object]) -> None:
        problems: list[Problem] = []
        for name, check in _checks(type(self)).items():  # type: ignore[arg-type]  # a class is hashable
            kept, found = _attempt(check, given[name], name)
            object.__setattr__(self, name, kept)
            problems += found
        problems += self._across()
        if problems:
            raise SectionError(self._title(), problems, self)

    def _across(self) -> Iterable[Problem]:
        """The problems between fields; any field may be UNREAD, which is false."""
        return ()

    def _title(self) -> str:
        return type(self).__name__

    def to_value(self) -> Any:
        """The section as a recipe holds it: mappings, lists, text and numbers."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in values.items() if value is not None}


@functools.cache
def _checks(kind: type[Section]) -> dict[str, Check]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in dataclasses.fields(kind)}


def _plain(value: Any) -> Any:
    if hasattr(value, "to_value"):
        return value.to_value()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _attempt(check: Callable[[object], Any], value: object, key: object) -> tuple[Any, list[Problem]]:
    """What a check keeps of a value, and the problems that it found."""
    try:
        return check(value), []
    except SectionError as error:
        return error.partial, [Problem((key, *at), text) for at, text in error.found]
    except ValueError as error:
        return UNREAD, [Problem((key,), str(error))]


Kind = TypeVar("Kind", bound=Section)


def build(kind: type[Kind], values: Mapping[Any, object]) -> Kind:
    """A section from a recipe's keys and values.

    Raises:
        SectionError: every problem: unknown keys, missing ones, values that can't be used.
    """
    parameters = inspect.signature(kind).parameters
    unknown = [Problem((key,), unknown_key(key, list(parameters))) for key in values if key not in parameters]
    required = {name: MISSING for name, parameter in parameters.items() if parameter.default is parameter.empty}
    arguments: dict[str, Any] = required | {name: values[name] for name in parameters if name in values}
    try:
        section = kind(**arguments)
    except SectionError as error:
        raise SectionError(error.title, [*unknown, *error.found], error.partial) from None
    if unknown:
        raise SectionError(section._title(), unknown, section)
    return section


def unknown_key(key: object, keys: list[str]) -> str:
    """What to say of a key that means nothing here."""
    return f"unknown key; {did_you_mean(key, keys) or 'the keys here are ' + listed(keys, 'and')}"


def section(kind: type[Kind]) -> Check:
    """A check for a section: the section itself, or its keys and values."""

    def read(value: object) -> Kind | None:
        if isinstance(value, kind):
            return value
        return build(kind, value) if isinstance(value, Mapping) else None

    keys = list(inspect.signature(kind).parameters)
    return Check(f"the key{'s' if len(keys) > 1 else ''} {listed(keys, 'and')}", read)


def list_of(wants: str, check: Check) -> Check:
    """A check for a list, each of whose items passes `check`; kept as a tuple."""

    def read(values: object) -> tuple[Any, ...] | None:
        if not isinstance(values, (list, tuple)):
            return None
        attempts = [_attempt(check, value, index) for index, value in enumerate(values)]
        kept = tuple(value for value, _ in attempts)
        if problems := [problem for _, found in attempts for problem in found]:
            raise SectionError("", problems, kept)
        return kept

    return Check(wants, read)
