"""People's names: what a person may be called, and which names are one name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from finetune.errors import Problem
from finetune.paths import printable
from finetune.words import DIRECTIONS, escaped

UNKNOWN = "unknown"
"""The answer for a face of nobody who is enrolled, and so nobody's name."""
LONGEST = 255
"""Bytes of UTF-8."""


def normal(name: str) -> str:
    """Return the name in Unicode's composed form (NFC). Names that are equal in it look the same; macOS decomposes."""
    return unicodedata.normalize("NFC", name)


def spelling(name: str) -> str:
    """Return what all spellings of a name have in common. Every comparison of names goes by it.

    `George W Bush`, `george-w-bush` and `George_W_Bush` are one name: case, the encoding of accents and what
    separates the words do not count. A name without a letter or digit gives the empty text, and is nobody's.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Marks are parts of their letters: the vowel signs of Indian scripts, accents that no letter is made with.
    words = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return "_".join(words.split())


def same_identities(trained: Iterable[str], named: Iterable[str]) -> dict[str, str]:
    """Find the names of `named` that `trained` holds too, in any spelling; the same one goes first.

    Args:
        trained: identities of a training set, such as its class names.
        named: identities of the pairs, as their file spells them.

    Returns:
        `{name in the pairs: name in the training set}`, in the order of `named`.
    """
    exact = dict.fromkeys(trained)
    known = {spelling(name): name for name in exact}
    known.pop("", None)
    return {
        name: name if name in exact else known[spelling(name)]
        for name in dict.fromkeys(named)
        if spelling(name) in known
    }


def first_spellings(names: Iterable[str]) -> dict[str, str]:
    """Map each name to the first of these that is the same name, in any spelling; most names to themselves."""
    first: dict[str, str] = {}
    return {name: first.setdefault(spelling(name) or name, name) for name in names}


def spelled_alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find the names that are another spelling of an earlier one: (earlier, name), in the order of the names."""
    return [(first, name) for name, first in first_spellings(names).items() if name != first]


def look_the_same(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find the names that differ from an earlier one in their Unicode form alone: (earlier, name)."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(normal(name), name), name) for name in dict.fromkeys(names)]
    return [(earlier, name) for earlier, name in pairs if name != earlier]


def why_unusable(name: str) -> Problem | None:
    """Return why nobody can be called that, and what to do; None where it is a name."""
    found = None
    if not name.strip() or name != name.strip():
        found = "it is empty, or begins or ends with a space"
    elif not printable(name) or not DIRECTIONS.isdisjoint(name):
        found = "it holds characters that can't be printed"
    elif {"/", "\\"} & set(name) or name in (".", ".."):
        found = "it reads as a path"
    elif len(name.encode()) > LONGEST:
        found = f"it is longer than {LONGEST} bytes"
    elif name.casefold() == UNKNOWN:
        found = "it is the answer for strangers"
    return Problem(shown(name), f"can't be a person's name: {found}", "rename them") if found else None


def shown(name: str) -> str:
    """Return a name, or what should have been one, as a line can show it."""
    clean = escaped(name)
    return (clean if len(clean) <= 60 else f"{clean[:60]}…") or "''"
