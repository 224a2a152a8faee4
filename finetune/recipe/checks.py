"""Checks of single values: each says what it wants, and answers anything else with what was found."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

MISSING = dataclasses.MISSING
"""Stands for a required value that was not given."""

_EXPONENT = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[eE]([-+]?)(\d+)")

LONGEST_NAME = 255
"""Bytes of a file's name."""


@dataclasses.dataclass(frozen=True)
class Check:
    """Turns a raw value into the one that is kept.

    Attributes:
        wants: what to give, as in "give a whole number from 1".
        read: the raw value to the kept one; None where the value is of no use, or a ValueError
            where there is more to say than `wants` does.
        optional: whether None will do too.
    """

    wants: str
    read: Callable[[Any], Any]
    optional: bool = False

    def __call__(self, value: object) -> Any:
        """The value to keep.

        Raises:
            ValueError: `what was found; what to do`.
        """
        if value is MISSING:
            raise ValueError(f"missing; give {self.wants}")
        if value is None and self.optional:
            return None
        kept = self.read(value)
        if kept is None:
            raise ValueError(f"found {describe(value)}; give {self.wants}")
        return kept


def optional(check: Check) -> Check:
    """The same check, which lets None through."""
    return dataclasses.replace(check, optional=True)


def number(wants: str, allowed: Callable[[float], bool]) -> Check:
    """A finite number within a range; truth values and text are none."""

    def read(value: object) -> float | None:
        if isinstance(value, str) and (match := _EXPONENT.fullmatch(value)):
            raise ValueError(f"found the text {value!r}; write {_spelled(*match.groups())}")
        if isinstance(value, bool) or not isinstance(value, Real):
            return None
        try:
            result = float(value)
        except OverflowError:
            return None
        return result if math.isfinite(result) and allowed(result) else None

    return Check(wants, read)


def _spelled(mantissa: str, sign: str, exponent: str) -> str:
    # YAML 1.1 reads a number with an exponent only where it has both a point and the exponent's sign.
    units, _, fraction = mantissa.partition(".")
    return f"{units if units.strip('+-') else units + '0'}.{fraction or '0'}e{sign or '+'}{exponent}"


def whole(least: int, most: int | None = None, unit: str = "") -> Check:
    """A whole number from `least` (to `most`, where there is one)."""

    def read(value: object) -> int | None:
        if isinstance(value, bool) or not isinstance(value, Integral):
            return None
        result = int(value)
        return result if result >= least and (most is None or result <= most) else None

    to = "" if most is None else f" to {most}"
    return Check(f"a whole number{unit and f' of {unit}'} from {least}{to}", read)


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def text(value: object) -> str | None:
    """Text as it is, None for what isn't; a number or a truth value is told how to become text."""
    if isinstance(value, (bool, Real)):
        raise ValueError(f"found {describe(value)}; put quotes around what is meant as text")
    return value if isinstance(value, str) else None


def _path(value: object) -> Path | None:
    name = text(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not name or "\0" in name:
        return None
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        raise ValueError(f"found {describe(name)}, but no such user has a home here; give the whole path") from None
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > LONGEST_NAME:
        raise ValueError(f"found a name of {longest} bytes; give one of at most {LONGEST_NAME}")
    return path


def one_of(names: Collection[str]) -> Check:
    """One of a few words."""

    def read(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        if value not in names and (near := did_you_mean(value, names)):
            raise ValueError(f"found {describe(value)}; {near}")
        return value if value in names else None

    return Check(listed(names, "or"), read)


TRUTH = Check("true or false", _truth)
PATH = Check("a path", _path)
ABOVE_0 = number("a number above 0", lambda x: x > 0)
FROM_0 = number("a number from 0", lambda x: x >= 0)
FROM_0_TO_1 = number("a number from 0 to 1", lambda x: 0 <= x <= 1)
FROM_0_BELOW_1 = number("a number from 0, below 1", lambda x: 0 <= x < 1)
ABOVE_0_TO_1 = number("a number above 0, at most 1", lambda x: 0 < x <= 1)


def did_you_mean(word: object, names: Collection[str]) -> str | None:
    """The question to ask where a word is nearly one of the names."""
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def listed(names: Collection[str], conjunction: str) -> str:
    """Names as a sentence lists them: `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def describe(value: object) -> str:
    """A raw value as its writer would know it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value if len(value) <= 60 else value[:57] + '...'!r}"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Real):
        return f"{value}"
    return f"a {type(value).__name__}"
