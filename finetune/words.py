"""Texts as messages show them: numbers with their nouns, lists, values, and nothing that a terminal would act on."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from numbers import Real

UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control characters, undecodable bytes, line and paragraph separators: in a name they would break
class_names.txt, and the line that reports them."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows, so that a name reads as another."""
IRREGULAR = {"person": "people"}


def counted(number: int, noun: str, form: str = "") -> str:
    """Return a number with its noun: `1 photo`, `2 photos`, `1 person`, `3 people`, `2 identities`, `2 classes`.

    Args:
        form: how the number is written, such as `,`.
    """
    if noun.endswith("y"):
        many = f"{noun[:-1]}ies"
    else:
        many = IRREGULAR.get(noun, f"{noun}es" if noun.endswith("s") else f"{noun}s")
    return f"{number:{form}} {noun if number == 1 else many}"


def escaped(text: str, keep: str = "") -> str:
    """Return text with an escape in place of each character that can't be printed, or that turns the direction.

    Args:
        keep: characters that stay all the same.
    """
    return "".join(
        ascii(c)[1:-1] if c not in keep and (c in DIRECTIONS or unicodedata.category(c) in UNPRINTABLE) else c
        for c in text
    )


def listed(names: Iterable[str], conjunction: str) -> str:
    """Return names as a sentence lists them: `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def did_you_mean(word: object, names: Collection[str]) -> str | None:
    """Return the question to ask where a word is nearly one of the names, else None."""
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def dotted(keys: Iterable[object]) -> str:
    """Return keys as messages show them after a name: `.stages[1].train_from`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def described(value: object) -> str:
    """Return a value that YAML or Python gave as its writer would know it: `nothing`, `true`, `the text 'x'`."""
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
    return f"{value}" if isinstance(value, Real) else f"a {type(value).__name__}"
