"""Paths: the files shipped with finetune, the user's cache, listings of folders, and printable names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from finetune.errors import DataError, Problem
from finetune.words import UNPRINTABLE, escaped

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


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """Return the files in a folder and its subfolders, sorted; or the one file that is given.

    Nothing is decoded. Symbolic links are followed, except to a folder that contains the link. Names that `scan`
    ignores are ignored here too.

    Raises:
        DataError: `path` does not exist, or holds no file.
    """
    path = Path(os.path.expanduser(path))
    if os.path.isfile(path):
        return [path]
    found = sorted(_walk(path, ()))
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


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    inside = open_folder(folder, "an image or a folder of images")
    status = folder.stat()
    own = (status.st_dev, status.st_ino)
    if own in above:  # a link to a folder above would never end
        return
    for entry in inside:
        if os.path.isdir(entry):
            yield from _walk(entry, (*above, own))
        else:
            yield entry


def entries(folder: Path) -> list[Path]:
    """Return a folder's entries, sorted by name, without `SYSTEM_FILES` and names that begin with a dot.

    Raises:
        OSError: the folder can't be opened.
    """
    names = sorted(name for name in os.listdir(folder) if name[0] != "." and name.lower() not in SYSTEM_FILES)
    return [folder / name for name in names]


def open_folder(folder: Path, what: str) -> list[Path]:
    """Return a folder's entries, as `entries` does.

    Raises:
        DataError: the folder can't be opened; the advice is to give `what`.
    """
    try:
        return entries(folder)
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
