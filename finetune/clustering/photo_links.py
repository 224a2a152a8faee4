"""Folders of links to photos: one folder per person, or per reason why faces lie apart."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from finetune import files
from finetune.errors import DataError, Problem, RunError
from finetune.paths import SYSTEM_FILES, Place, in_one_line

LONGEST = 200
"""Largest length of a link's name in bytes."""
LEFT_BEHIND = SYSTEM_FILES | {".ds_store"}
"""Files that file managers leave in folders. They go with the links."""

Links = Mapping[str, Mapping[str, str]]
"""Target of each link, by the name of its folder and its own."""


def name_links(shown: Iterable[tuple[str, str]], photos: Path) -> dict[str, dict[str, str]]:
    """Return the links to photos; names of photos in subfolders are joined by underscores.

    Args:
        shown: folder, and path of the photo relative to `photos`, of each link.
        photos: folder of the photos.
    """
    links: dict[str, dict[str, str]] = {}
    beginning = os.path.join(photos, "")
    for folder, photo in shown:
        own = links.setdefault(folder, {})
        stem, suffix = os.path.splitext(photo.replace("/", "_"))
        stem = os.fsdecode(os.fsencode(stem)[-LONGEST:])
        name, number = f"{stem}{suffix}", 1
        while name in own:  # another face of this photo, or a/b beside a_b
            number += 1
            name = f"{stem}_{number}{suffix}"
        own[name] = beginning + photo
    return links


def write_links(place: Path, links: Links) -> None:
    """Make a folder hold these links and nothing else.

    If only a few links come or go, these alone are touched. Otherwise a new folder takes the place of the old one. A
    kill may leave some links of before; the next call finds them.

    Raises:
        DataError: something else lies in the folder, such as a file of the user. Nothing is changed.
        RunError: a link can't be made. The links of before are still there.
    """
    for rest in _beside(place):  # a killed process may have left them
        shutil.rmtree(rest, ignore_errors=True)
    try:
        there = read_links(place)
        if there is None or not _few(there, links):
            _swap(place, links)
        else:
            _change(place, there, links)
    except OSError as error:
        advice = "make room, and run it again" if error.errno in files.NO_ROOM else "choose another place"
        raise RunError(Problem(place, f"can't be written ({error.strerror or error})", advice)) from error


def _beside(place: Path) -> tuple[Path, Path]:
    """Return where the new folder is made, and where the old one is put, while they change places."""
    return place.with_name(f".{place.name}.partial"), place.with_name(f".{place.name}.old")


def read_links(place: Path) -> dict[str, dict[str, str]] | None:
    """Return the links of a folder; None if there is no such folder.

    Raises:
        DataError: something else lies in it.
        OSError: it can't be read.
    """
    if not os.path.lexists(place):
        return None
    if not place.is_dir():
        raise _other(place)
    return {
        folder.name: {link.name: os.readlink(link.path) for link in _only(folder.path, os.DirEntry.is_symlink)}
        for folder in _only(place, lambda entry: entry.is_dir(follow_symlinks=False))
    }


def _only(folder: Path | str, is_ours: Callable[[os.DirEntry[str]], bool]) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, without the files of file managers. All others have to be ours."""
    with os.scandir(folder) as inside:
        entries = [entry for entry in inside if entry.name.lower() not in LEFT_BEHIND]
    for entry in entries:
        if not is_ours(entry):
            raise _other(entry.path)
    return entries


def _other(path: Place) -> DataError:
    """Return the error for something that is neither a link nor a folder of links."""
    advice = "move it elsewhere, since the folders of links are made anew"
    return DataError(Problem(in_one_line(path), "not made by finetune cluster", advice))


def _few(there: Links, links: Links) -> bool:
    """Return whether no link changes its target, and at most a tenth of the links come or go."""
    changes = 0
    for folder in there.keys() | links.keys():
        old, new = there.get(folder, {}), links.get(folder, {})
        if old != new:
            if any(new.get(name, target) != target for name, target in old.items()):
                return False
            changes += len(old.keys() ^ new.keys())
    return changes <= sum(map(len, links.values())) / 10


def _change(place: Path, there: Links, links: Links) -> None:
    """Make the links that are missing, then remove the others; after an error, the new ones are removed again."""
    made: list[Path] = []
    try:
        for folder, own in links.items():
            old = there.get(folder, {})
            if folder not in there:
                (place / folder).mkdir()
                made.append(place / folder)
            for name in own.keys() - old.keys():
                (place / folder / name).symlink_to(own[name])
                made.append(place / folder / name)
    except OSError:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        raise
    for folder, old in there.items():
        for name in old.keys() - links.get(folder, {}).keys():
            (place / folder / name).unlink()
        if folder not in links:
            shutil.rmtree(place / folder)


def _swap(place: Path, links: Links) -> None:
    """Make a folder of links beside the old one, and put it in its place."""
    partial, old = _beside(place)
    try:
        partial.mkdir()
        for folder, own in links.items():
            (partial / folder).mkdir()
            for name, target in own.items():
                os.symlink(target, partial / folder / name)
        if place.exists():
            place.rename(old)
        partial.rename(place)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
