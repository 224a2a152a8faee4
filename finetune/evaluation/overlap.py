"""Identities that stand both in what was trained on and in the pairs: the overlap that flatters a result."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def same_identities(trained: Iterable[str], named: Iterable[str]) -> dict[str, str]:
    """The identities of `named` that `trained` holds too, however they are spelled.

    `George W Bush`, `george-w-bush` and `George_W_Bush` are one name; case, accents' encoding and what
    separates the words do not count.

    Args:
        trained: identities of a training set, such as its class names.
        named: identities of the pairs, as their file spells them.

    Returns:
        `{name in the pairs: name in the training set}`, in the order of `named`.
    """
    known = {_spelled(name): name for name in trained}
    return {name: known[_spelled(name)] for name in dict.fromkeys(named) if _spelled(name) in known}


def _spelled(name: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", name).casefold())
    return "_".join(words.split())
