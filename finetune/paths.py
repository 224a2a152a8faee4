"""Paths: the files shipped with finetune, the user's cache, listings of folders, and printable names."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import DataError, Problem
from finetune.words import UNPRINTABLE, escaped

if TYPE_CHECKING:
    from finetune.path_list import PathList

Place = str | os.PathLike[str]

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
"""Files that Windows leaves in folders. They are ignored, as are names that begin with a dot."""


CACHES = ("aligned", "archives", "checkpoints", "classifiers", "features", "graphs", "images", "pairs")
"""The folders of the user's cache."""
_CACHE_ENTRY = re.compile(r"[0-9a-f]{32}(\.npz)?")
"""Names of entries in these folders: a digest of all that the entry depends on."""

SHIPPED = ("recipes", "data")
"""The folders shipped with finetune: inside the installed package, or beside it in a clone."""


def find_file(path: str | os.PathLike[str]) -> Path:
    """Return the file at a path: the path itself if it exists, else the shipped file.

    Args:
        path: path of the file; `~` is expanded. Only a relative path that begins with `recipes/` or `data/` can mean a
            shipped file.

    Returns:
        The path of an existing file, or `path` itself if there is none.
    """
    asked = Path(os.path.expanduser(path))
    if asked.exists() or asked.is_absolute() or asked.parts[:1] not in {(name,) for name in SHIPPED}:
        return asked
    import importlib.resources

    package = Path(str(importlib.resources.files("finetune")))
    return next((root / asked for root in (package, package.parent) if (root / asked).is_file()), asked)


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache: `~/.cache/finetune/NAME`.

    `FINETUNE_CACHE` sets the folder of `features`; the others are then beside it.
    """
    features = os.environ.get("FINETUNE_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/finetune/features"
    return Path(features).expanduser().with_name(name) if name != "features" else Path(features).expanduser()


def cache_entries(name: str) -> list[Path]:
    """Return the entries of a folder of `CACHES`, sorted, without files of other programs.

    Raises:
        OSError: the folder can't be opened.
    """
    folder = cache_folder(name)
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if _CACHE_ENTRY.fullmatch(path.name) and not path.is_symlink()]


def find_images(path: str | os.PathLike[str]) -> PathList:
    """Return the files in a folder and its subfolders, sorted; or the one file that is given.

    Nothing is decoded. Symbolic links are followed, except to a folder that contains the link. Names that `scan`
    ignores are ignored here too.

    Raises:
        DataError: `path` does not exist, or holds no file.
    """
    from finetune.path_list import PathList

    path = Path(os.path.expanduser(path))
    if os.path.isfile(path):
        return PathList([path])
    found = PathList.listed(_walk("" if path == Path() else str(path), ()))
    if not found:
        raise DataError(Problem(path, "no files in it", "give an image or a folder of images"))
    return found


def as_paths(places: Place | Iterable[Place]) -> list[Path]:
    """Return one path or several as a list, `~` expanded.

    Raises:
        DataError: something is not a path.
    """
    given = [places] if isinstance(places, (str, os.PathLike)) else list(places)
    for place in given:
        if not isinstance(place, (str, os.PathLike)):
            raise DataError(Problem("images", f"found {type(place).__name__}", "give paths of images or folders"))
    return [Path(os.path.expanduser(place)) for place in given]


def image_paths(images: Place | Iterable[Place]) -> list[Path]:
    """Return the paths of one image or several, with each folder replaced by all files below it.

    The paths of files are not checked: reading them is.

    Raises:
        DataError: a folder can't be opened or is empty, or something is not a path.
    """
    return [file for path in as_paths(images) for file in (find_images(path) if path.is_dir() else [path])]


def _walk(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, str]]:
    """Yield folder and name of each file, in the order of the paths."""
    with _opening(Path(folder), "an image or a folder of images"), os.scandir(folder or ".") as inside:
        entries = {entry.name: entry for entry in inside if not _is_ignored(entry.name)}
    status = os.stat(folder or ".")
    own = (status.st_dev, status.st_ino)
    if own in above:  # a link to a folder above would never end
        return
    for name in sorted(entries):
        entry = entries[name]
        if os.path.isdir(entry) if entry.is_symlink() else entry.is_dir():  # a link may lead nowhere
            yield from _walk(os.path.join(folder, name), (*above, own))
        else:
            yield folder, name


def entries(folder: Path) -> list[Path]:
    """Return a folder's entries, sorted by name, without `SYSTEM_FILES` and names that begin with a dot.

    Raises:
        OSError: the folder can't be opened.
    """
    return [folder / name for name in sorted(os.listdir(folder)) if not _is_ignored(name)]


def _is_ignored(name: str) -> bool:
    return name[0] == "." or name.lower() in SYSTEM_FILES


def open_folder(folder: Path, what: str) -> list[Path]:
    """Return a folder's entries, as `entries` does.

    Raises:
        DataError: the folder can't be opened; the advice is to give `what`.
    """
    with _opening(folder, what):
        return entries(folder)


@contextlib.contextmanager
def _opening(folder: Path, what: str) -> Iterator[None]:
    """Turn any error from opening a folder into a one-line error."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(Problem(folder, "no such file or folder", f"give {what}")) from None
    except NotADirectoryError:
        raise DataError(Problem(folder, "not a folder", f"give {what}")) from None
    except OSError as error:
        raise DataError(Problem(folder, f"can't be opened ({error.strerror})", f"give {what}")) from error


def refuse_within(out: Path, folder: Path) -> None:
    """Refuse an output path within the folder that is read.

    Raises:
        DataError: `out` lies within `folder`.
    """
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(folder)):
        raise DataError(Problem(out, f"lies in {folder}, which stays as it is", "give a place beside it"))


def printable(name: str) -> bool:
    """Return whether a name holds no character of the categories in `UNPRINTABLE`."""
    return UNPRINTABLE.isdisjoint(map(unicodedata.category, name))


def in_one_line(path: str | os.PathLike[str]) -> str:
    """Return a path in a form that fits into one line: unprintable characters become escapes."""
    return escaped(os.fspath(path))


def excerpt(line: str) -> str:
    """Return the beginning of a line of a file, quoted for a message."""
    return repr(line if len(line) <= 60 else f"{line[:60]}…")
