"""Suspects that must not be moved, because a remaining file is a link to them or the same file by another path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def needed(suspects: Iterable[Path], staying: Iterable[Path]) -> set[Path]:
    """Return the suspects without which a remaining file would be lost."""
    folders: dict[Path, Path] = {}
    used = {entry for path in staying for entry in _entries(path, folders)}
    return {path for path in suspects if next(_entries(path, folders)) in used}


def _entries(path: Path, folders: dict[Path, Path]) -> Iterator[Path]:
    """Yield the path of a file and of each file that it links to, with links of folders resolved.

    Args:
        path: path of the file.
        folders: resolved folders, filled as a cache.
    """
    seen: set[Path] = set()
    while True:
        if path.parent not in folders:
            folders[path.parent] = Path(os.path.realpath(path.parent))
        path = folders[path.parent] / path.name
        if path in seen:  # a cycle of links
            return
        seen.add(path)
        yield path
        if not path.is_symlink():
            return
        try:
            path = path.parent / os.readlink(path)
        except OSError:  # the link has gone since
            return
