"""Base of a recipe's sections: pydantic models that report all problems at once, and the types that they share."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import pydantic
from annotated_types import Interval

from finetune.errors import Problem, RecipeError
from finetune.notebook import html_table
from finetune.words import described, did_you_mean, dotted, listed

COLLECT = object()
"""Validation context in which a section keeps its problems instead of raising them."""
LONGEST_NAME = 255
"""Largest length of a file name in bytes."""
EXPONENT = re.compile(r"([-+]?)(?=\.?\d)(\d*)\.?(\d*)[eE]([-+]?)(\d+)")
"""Number in exponent form. YAML 1.1 reads it as text unless it has both a point and a sign in the exponent."""


class Fault(NamedTuple):
    """Problem whose place is not known yet: the keys that lead to it, what was found there, and advice."""

    keys: tuple[Any, ...]
    found: str
    advice: str = ""


class Unread:
    """Value that could not be read, with the reasons. It is false, so rules between keys skip it."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults

    def __bool__(self) -> bool:
        return False


class Wants(str):
    """Description of the value that a type wants, as in "give a path", for types that do not describe themselves."""


@dataclass(frozen=True)
class Range(Interval):
    """Limits of a number, and the quantity that it measures."""

    of: str = "a number"

    def __str__(self) -> str:
        least = f"above {self.gt}" if self.ge is None else f"from {self.ge}"
        below = self.lt and f", below {'pi' if self.lt == math.pi else self.lt}"
        most = self.le and (f", at most {self.le}" if self.ge is None else f" to {self.le}")
        return f"{self.of} {least}{below or most or ''}"


def read(value: object, kind: Any) -> Any:
    """Return the value as the type reads it, or an `Unread`."""
    return _attempt(_adapter(kind).validate_python, value, kind)


@functools.cache
def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(kind, config=pydantic.ConfigDict(strict=True, allow_inf_nan=False))


def _attempt(validate: Callable[[Any], Any], value: object, kind: Any) -> Any:
    number = not isinstance(value, bool) and isinstance(value, Real)  # NumPy's too
    try:
        given = (int(value) if isinstance(value, Integral) else float(value)) if number else value  # type: ignore[arg-type]
        return value if isinstance(value, Unread) else validate(given)
    except (pydantic.ValidationError, OverflowError):
        return Unread(Fault((), f"found {described(value)}", _advice(value, kind)))


def _advice(value: object, kind: Any) -> str:
    base, _ = _parts(kind)
    words = [word for part in (base, *get_args(base)) if get_origin(part) is Literal for word in get_args(part)]
    if isinstance(value, str) and (near := did_you_mean(value, words)):
        return near
    if isinstance(value, str) and base is float and (match := EXPONENT.fullmatch(value)):
        sign, units, fraction, of_exponent, exponent = match.groups()
        return f"write {sign}{units or 0}.{fraction or 0}e{of_exponent or '+'}{exponent}"
    if isinstance(value, (bool, Real)) and base in (str, Path) and read(str(value), kind):
        return "put quotes around what is meant as text"
    return f"give {wants(kind)}"


def wants(kind: Any) -> str:
    """Return a description of the value that a type wants, as in "give a whole number from 1"."""
    base, metadata = _parts(kind)
    if told := [str(item) for item in metadata if isinstance(item, (Wants, Range))]:
        return told[-1]
    if base is bool:
        return "true or false"
    if get_origin(base) is Literal:
        return listed(get_args(base), "or")
    return f"the key{'s' if len(base.model_fields) > 1 else ''} {listed(base.model_fields, 'and')}"


def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its metadata and without an alternative None, and the metadata."""
    options = get_args(kind)
    if get_origin(kind) is Annotated:
        base, metadata = _parts(options[0])
        return base, (*metadata, *options[1:])
    return _parts(options[0]) if options[1:] == (NoneType,) else (kind, ())


Self = TypeVar("Self", bound="Section")


class Section(pydantic.BaseModel):
    """Base of the sections. A value that can't be read becomes `Unread`, so the rules still see all other values.

    Raises:
        RecipeError: some values can't be used; one line per value.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)
    _faults: tuple[Fault, ...] = pydantic.PrivateAttr(())

    def __init__(self, *positional: Any, **values: Any) -> None:
        given = dict(zip(type(self).model_fields, positional, strict=False))
        if len(given) < len(positional) or given.keys() & values.keys():
            raise TypeError(f"{type(self).__name__}: more values than keys, or one given twice")
        self.__pydantic_validator__.validate_python(given | values, self_instance=self, context=COLLECT)
        self._refuse_faults()

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pydantic must not call it for nested ones

    @classmethod
    def read(cls, value: object) -> Any:
        """Return the section built from keys and values, with its problems, or an `Unread`."""
        return _attempt(functools.partial(cls.model_validate, context=COLLECT), value, cls)

    @classmethod
    def from_values(cls: type[Self], values: Mapping[Any, object]) -> Self:
        """Return the section built from plain keys and values, as in a recipe file."""
        return cls.read(values)._refuse_faults()

    def rules(self) -> Iterator[Fault]:
        """Yield the problems between keys. Any value may be `Unread`, which is false."""
        yield from ()

    def to_value(self) -> Any:
        """Return the section in a recipe's form: mappings, lists, text and numbers."""
        return {name: plain(value) for name, value in self if value is not None}

    def model_copy(self: Self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some values replaced; the new values are checked."""
        return type(self)(**dict(self) | dict(update or {}))

    def _repr_html_(self) -> str:
        return html_table(self._title(), ((name, plain(value)) for name, value in self if value is not None))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Problems of a section that was read."""
        return self._faults

    def _refuse_faults(self: Self) -> Self:
        if self._faults:
            raise RecipeError(*(Problem(f"{self._title()}{dotted(keys)}", *told) for keys, *told in self._faults))
        return self

    def _title(self) -> str:
        return type(self).__name__

    @pydantic.field_validator("*", mode="wrap")
    @classmethod
    def _read_value(cls, value: object, validate: Callable[[Any], Any], info: pydantic.ValidationInfo) -> Any:
        return _attempt(validate, value, _kinds(cls)[info.field_name or ""])

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _read_values(cls, value: Any, validate: Callable[[Any], Section], info: pydantic.ValidationInfo) -> Any:
        if isinstance(value, (cls, Unread)):
            return value
        if not isinstance(value, Mapping):
            raise ValueError
        kinds = _kinds(cls)
        known = f"the keys here are {listed(kinds, 'and')}"
        unknown = [Fault((key,), "unknown key", did_you_mean(key, kinds) or known) for key in value if key not in kinds]
        missing = [name for name, field in cls.model_fields.items() if field.is_required() and name not in value]
        given = {name: Unread(Fault((), "missing", f"give {wants(kinds[name])}")) for name in missing}
        section = validate(given | {name: value[name] for name in kinds if name in value})
        section._faults = (*unknown, *(fault for name, part in section for fault in faults(part, name)))
        section._faults += tuple(section.rules())
        return section if info.context is COLLECT else section._refuse_faults()


def plain(value: Any) -> Any:
    """Return a section's value in a recipe's form."""
    if hasattr(value, "to_value"):
        return value.to_value()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def faults(part: Any, *at: Any) -> Iterator[Fault]:
    """Yield the problems of a value, each with the given keys before its own."""
    if isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from faults(item, *at, index)
    elif isinstance(part, (Section, Unread)):
        yield from (fault._replace(keys=(*at, *fault.keys)) for fault in part.faults)


@functools.cache
def _kinds(section: type[Section]) -> dict[str, Any]:
    hints = get_type_hints(section, include_extras=True)
    return {name: hints[name] for name in section.model_fields}


def read_kind(kinds: Mapping[str, type[Section]], value: object, key: str = "name") -> Any:
    """Read the section of the kind that the word at `key` names.

    The word alone may stand for a section without other keys. Without a word the first kind is read.
    """
    given = {key: value} if isinstance(value, str) else value
    if isinstance(value, tuple(kinds.values())):
        return value
    if not isinstance(given, Mapping):
        raise ValueError
    word = read(given.get(key, next(iter(kinds))), Literal[tuple(kinds)])
    return kinds[word].read(given) if word else Unread(*faults(word, key))


def form_of(kinds: Mapping[str, type[Section]]) -> Any:
    """Return the type of the values that `read_kind` reads, for the JSON schema."""
    first, *others = kinds.values()
    return Union[(Literal[tuple(kinds)], first, *map(tagged, others))]


def tagged(kind: type[Section]) -> Any:
    """Return the type of a section whose first key, which selects the kind, is required, for the JSON schema."""
    return Annotated[kind, pydantic.Field(json_schema_extra={"required": [next(iter(kind.model_fields))]})]


def _path(value: object) -> Any:
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        return Unread(Fault((), f"found {described(name)}, but no such user has a home here", "give the whole path"))
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > LONGEST_NAME:
        return Unread(Fault((), f"found a name of {longest} bytes", f"give one of at most {LONGEST_NAME}"))
    return path


AnyPath = Annotated[Path, pydantic.PlainValidator(_path, Annotated[str, pydantic.Field(min_length=1)]), Wants("a path")]
Above0 = Annotated[float, Range(gt=0)]
From0 = Annotated[float, Range(ge=0)]
From0To1 = Annotated[float, Range(ge=0, le=1)]
From0Below1 = Annotated[float, Range(ge=0, lt=1)]
Above0To1 = Annotated[float, Range(gt=0, le=1)]
From1 = Annotated[int, Range(ge=1, of="a whole number")]
