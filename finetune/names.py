"""People's names: which are valid, and which are spellings of the same name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from finetune.errors import Problem
from finetune.paths import printable
from finetune.words import DIRECTIONS, escaped

UNKNOWN = "unknown"
"""Answer for a face of nobody who is enrolled, and therefore not a valid name."""
LONGEST = 255
"""Largest length of a name, in bytes of UTF-8."""


def normal(name: str) -> str:
    """Return a name in Unicode's composed form (NFC). Names that are equal in it look the same.

    Comparing in this form is needed because macOS decomposes file names.
    """
    return unicodedata.normalize("NFC", name)


def spelling(name: str) -> str:
    """Return the common form of all spellings of a name, by which names are compared.

    `George W Bush`, `george-w-bush` and `George_W_Bush` are one name. Case, the encoding of accents and the separators
    of words do not matter. A name without letters and digits gives the empty text, which is not a name.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Marks belong to their letters: vowel signs of Indian scripts, and accents without a composed letter.
    words = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return "_".join(words.split())


def same_identities(trained: Iterable[str], named: Iterable[str]) -> dict[str, str]:
    """Find the names in `named` that are also in `trained`, in any spelling; an identical spelling is preferred.

    Args:
        trained: identities of a training set, such as its class names.
        named: identities of the pairs, as spelled in their file.

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
    """Map each name to its first spelling among these names; most names map to themselves."""
    first: dict[str, str] = {}
    return {name: first.setdefault(spelling(name) or name, name) for name in names}


def spelled_alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find names that are another spelling of an earlier one, as (earlier, name) in the order of the names."""
    return [(first, name) for name, first in first_spellings(names).items() if name != first]


def look_the_same(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find names that differ from an earlier one only in their Unicode form, as (earlier, name)."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(normal(name), name), name) for name in dict.fromkeys(names)]
    return [(earlier, name) for earlier, name in pairs if name != earlier]


def why_unusable(name: str) -> Problem | None:
    """Return the problem of an invalid name, or None for a valid one."""
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
    """Return a name, valid or not, in a form that fits into one line."""
    clean = escaped(name)
    return (clean if len(clean) <= 60 else f"{clean[:60]}…") or "''"
