"""Markdown from the plain text of docstrings and help texts."""

from __future__ import annotations

import re

CODE = re.compile(r"(```.*?```|`[^`]*`)", re.DOTALL)
NAMES = re.compile(r"\w+(, \w+)+")
SPECIAL = re.compile(r"([*<]|(?<!\w)_|_(?!\w))")


def escape(text: str) -> str:
    """Return the text with Markdown's special characters escaped, except in code."""
    parts = CODE.split(text)
    return "".join(part if index % 2 else SPECIAL.sub(r"\\\1", part) for index, part in enumerate(parts))


def bullet(term: str, text: str) -> str:
    """Return one list entry: a term or several names as code, and the meaning."""
    names = term.split(", ") if NAMES.fullmatch(term) else [term]
    shown = ", ".join(f"`{name}`" for name in names)
    told = escape(" ".join(text.split()))
    return f"- {shown}: {told}" if told else f"- {shown}"


def one_line(text: str) -> str:
    """Return the first paragraph as one line."""
    return " ".join(text.partition("\n\n")[0].split())


def anchor(heading: str) -> str:
    """Return the anchor that mkdocs and GitHub give to a heading."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower())
    return plain.strip().replace(" ", "-")


def link(heading: str, page: str = "") -> str:
    """Return a link to a heading."""
    return f"[{heading}]({page}#{anchor(heading)})"
