"""Texts for messages: numbers with nouns, lists, values, and escapes for unprintable characters."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from numbers import Real

UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, undecodable bytes, line and paragraph separators.

In a name they would break `class_names.txt` and the line of a message.
"""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the writing direction and can make one name look like another."""
IRREGULAR = {"person": "people"}


def counted(number: int, noun: str, form: str = "") -> str:
    """Return a number with its noun: `1 photo`, `2 photos`, `1 person`, `3 people`, `2 identities`, `2 classes`.

    Args:
        number: number of things.
        noun: noun in the singular.
        form: format of the number, such as `,`.
    """
    if noun.endswith("y"):
        many = f"{noun[:-1]}ies"
    else:
        many = IRREGULAR.get(noun, f"{noun}es" if noun.endswith("s") else f"{noun}s")
    return f"{number:{form}} {noun if number == 1 else many}"


def escaped(text: str, keep: str = "") -> str:
    """Return text with escapes for all characters that are unprintable or change the writing direction.

    Args:
        text: text to show.
        keep: characters that are not escaped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if c not in keep and (c in DIRECTIONS or unicodedata.category(c) in UNPRINTABLE) else c
        for c in text
    )


def with_article(noun: str) -> str:
    """Return a noun with its article: `a frozen graph`, `an ONNX model`."""
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"


def listed(names: Iterable[str], conjunction: str) -> str:
    """Return names as a list in a sentence: `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def did_you_mean(word: object, names: Collection[str]) -> str | None:
    """Return the question "did you mean …?" if a word is close to one of the names, else None."""
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def dotted(keys: Iterable[object]) -> str:
    """Return keys as a path in a message: `.stages[1].train_from`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def described(value: object) -> str:
    """Return a description of a YAML or Python value for its writer: `nothing`, `true`, `the text 'x'`."""
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
