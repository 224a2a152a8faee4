"""What a person may be called: a name that can be printed, and be no path."""

from __future__ import annotations

import unicodedata

from finetune.folders import in_one_line, printable

UNKNOWN = "unknown"
"""The answer for a face that is none of the enrolled people's, and so nobody's name."""
LONGEST = 255
"""Bytes of UTF-8."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows, so that a name reads as another."""


def normal(name: str) -> str:
    """The name as a gallery holds it, in Unicode's composed form: folders of macOS come in the other one."""
    return unicodedata.normalize("NFC", name)


def why_unusable(name: str) -> str | None:
    """Why nobody can be called that, and what to do; None where it is a name."""
    problem = None
    if not name.strip() or name != name.strip():
        problem = "it is empty, or begins or ends with a space"
    elif not printable(name) or not DIRECTIONS.isdisjoint(name):
        problem = "it holds characters that can't be printed"
    elif {"/", "\\"} & set(name) or name in (".", ".."):
        problem = "it reads as a path"
    elif len(name.encode()) > LONGEST:
        problem = f"it is longer than {LONGEST} bytes"
    elif name.casefold() == UNKNOWN:
        problem = "it is the answer for strangers"
    return problem and f"can't be a person's name: {problem}; rename them"


def shown(name: str) -> str:
    """A name, or what should have been one, as a line can show it."""
    clean = "".join(ascii(c)[1:-1] if c in DIRECTIONS else c for c in in_one_line(name))
    return (clean if len(clean) <= 60 else f"{clean[:60]}…") or "''"
