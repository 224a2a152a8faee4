"""Suspects that are not to be moved: what stays is a link that leads to them, or the same file under another name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def needed(suspects: Iterable[Path], staying: Iterable[Path]) -> set[Path]:
    """Those of the suspects without which one of the files that stay would be gone."""
    folders: dict[Path, Path] = {}
    used = {entry for path in staying for entry in _entries(path, folders)}
    return {path for path in suspects if next(_entries(path, folders)) in used}


def _entries(path: Path, folders: dict[Path, Path]) -> Iterator[Path]:
    """The places of a file and of all that it leads to, links of folders resolved.

    Args:
        folders: resolved ones, kept.
    """
    seen: set[Path] = set()
    while True:
        if path.parent not in folders:
            folders[path.parent] = Path(os.path.realpath(path.parent))
        path = folders[path.parent] / path.name
        if path in seen:  # links in a circle
            return
        seen.add(path)
        yield path
        if not path.is_symlink():
            return
        try:
            path = path.parent / os.readlink(path)
        except OSError:  # it has gone since
            return
