"""Numbers with their nouns, as messages count things."""

from __future__ import annotations

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
