"""Paths: files that come with finetune, the user's cache, folders as people leave them, names that can be shown."""

from __future__ import annotations

import importlib.resources
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from finetune.errors import DataError, Problem
from finetune.words import UNPRINTABLE, escaped

Place = str | os.PathLike[str]

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
"""What Windows leaves in folders; files whose name begins with a dot are passed over too."""


CACHES = ("aligned", "classifiers", "features")
"""The folders of the user's cache."""
_CACHE_ENTRY = re.compile(r"[0-9a-f]{32}(\.npz)?")
"""Names in these folders: what an entry depends on, as a digest."""

SHIPPED = ("recipes", "data")
"""The folders that come with finetune: inside the package once installed, beside it in a clone."""


def find_file(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path means: the path itself where it exists, else the one that was shipped.

    Args:
        path: `~` is expanded. Only a relative path that begins with `recipes/` or `data/` is looked
            for among the shipped files.

    Returns:
        The path of an existing file, or `path` itself where there is none.
    """
    asked = Path(os.path.expanduser(path))
    if asked.exists() or asked.is_absolute() or asked.parts[:1] not in {(name,) for name in SHIPPED}:
        return asked
    package = Path(str(importlib.resources.files("finetune")))
    return next((root / asked for root in (package, package.parent) if (root / asked).is_file()), asked)


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache: `~/.cache/finetune/NAME`.

    `FINETUNE_CACHE` names the folder of `features`; the others then lie beside it.
    """
    features = os.environ.get("FINETUNE_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/finetune/features"
    return Path(features).expanduser().with_name(name) if name != "features" else Path(features).expanduser()


def cache_entries(name: str) -> list[Path]:
    """Return what is kept in a folder of `CACHES`, sorted; files of others beside it are left out.

    Raises:
        OSError: the folder can't be opened.
    """
    folder = cache_folder(name)
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if _CACHE_ENTRY.fullmatch(path.name) and not path.is_symlink()]


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """The files in a folder and the folders below it, sorted; or the one file that is given.

    Nothing is decoded. Symbolic links are followed, but not to a folder that the link lies in; what `scan`
    passes over is passed over here too.

    Raises:
        DataError: there is nothing at `path`, or no file in it.
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
    """Return the paths of one image or several, with all files below a folder in the folder's place.

    Whether a file is there, and is an image, is left to whoever reads it.

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
    """What a folder holds, sorted by name, without what begins with a dot and `SYSTEM_FILES`.

    Raises:
        OSError: it can't be opened.
    """
    names = sorted(name for name in os.listdir(folder) if name[0] != "." and name.lower() not in SYSTEM_FILES)
    return [folder / name for name in names]


def open_folder(folder: Path, what: str) -> list[Path]:
    """The folder's entries.

    Raises:
        DataError: it can't be opened; says to give `what`.
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
    """Refuses a place that lies in the folder that is read.

    Raises:
        DataError: it does.
    """
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(folder)):
        raise DataError(Problem(out, f"lies in {folder}, which stays as it is", "give a place beside it"))


def printable(name: str) -> bool:
    """Whether a name holds nothing of `UNPRINTABLE`."""
    return UNPRINTABLE.isdisjoint(map(unicodedata.category, name))


def in_one_line(path: str | os.PathLike[str]) -> str:
    """Return a path as a line can show it: what can't be printed is written as an escape."""
    return escaped(os.fspath(path))


def excerpt(line: str) -> str:
    """The beginning of a line of someone's file, quoted, as a line that reports it can show it."""
    return repr(line if len(line) <= 60 else f"{line[:60]}…")
