"""Digests of the files that a run wrote, kept beside them to detect damaged files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from finetune import files
from finetune.errors import DataError, Problem

LIST = "files.sha256"
"""File with the digests of a folder's other files: one line per file, `SHA256  NAME`, as `sha256sum -c` reads it."""
OF_ABOVE = "# sha256 of the lines above: "


def sealed(text: str) -> str:
    """Return a text with an added last line that holds the digest of the lines above."""
    return f"{text}{OF_ABOVE}{hashlib.sha256(text.encode()).hexdigest()}\n"


def unsealed(text: str) -> str | None:
    """Return the lines above the digest, or None for a text without digest.

    Raises:
        ValueError: the lines do not match the digest.
    """
    above, found, _ = text.partition(OF_ABOVE)
    if not found:
        return None
    if sealed(above) != text:
        raise ValueError("changed since it was written")
    return above


def write_list(folder: Path, names: list[str]) -> None:
    """Write `files.sha256` for these files of a folder."""
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in sorted(names)]
    files.write_text(folder / LIST, sealed("".join(lines)))


def refuse_damaged(folder: Path, advice: str) -> None:
    """Refuse a folder with a listed file that changed since the run wrote it. Earlier versions kept no list.

    Args:
        folder: folder to check.
        advice: advice for the error.

    Raises:
        DataError: a file is missing or changed (one line per file), or the list itself is damaged.
    """
    path = folder / LIST
    if not path.exists():
        return
    with files.reading(path, advice):
        lines = unsealed(files.read(path).decode())
        if lines is None:
            raise ValueError("its last line is gone")
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines.splitlines())}
    wrong = [name for name, digest in listed.items() if not _is(folder / name, digest)]
    if wrong:
        raise DataError(*(Problem(folder / name, "missing, or not what the run wrote", advice) for name in wrong))


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and files.sha256(path) == digest
