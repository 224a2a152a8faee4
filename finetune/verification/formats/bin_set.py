"""Sets of pairs in one file, as InsightFace publishes them: `lfw.bin`, `cfp_fp.bin`, `agedb_30.bin`.

Such a file is a pickle of encoded images, two per pair, and of a list of truth values. The images are unpacked once
into the user's cache, each under its SHA-256, so that they are files like all others.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from finetune import files
from finetune.errors import DataError, Problem, RunError
from finetune.paths import cache_folder
from finetune.pickles import Refused
from finetune.verification import DEFAULT_FOLDS, Pair, PairsFile
from finetune.verification.formats import bin_pickle

NAME = "a .bin file of InsightFace"
FOLDER = "pairs"
"""Folder of the user's cache."""
INDEX = "index.json"
SUFFIX = ".bin"
_ADVICE = f"give {NAME} that is whole: a pickle of JPEG or PNG images, two per pair, and of the pairs' labels"


def is_bin(path: Path) -> bool:
    """Return whether a file is a pickle, by its first bytes, or has the suffix `.bin`.

    Raises:
        OSError: the file can't be read.
    """
    if path.suffix.lower() == SUFFIX or not path.is_file():
        return path.suffix.lower() == SUFFIX and not path.is_dir()
    with path.open("rb") as file:
        start = file.read(2)
    return start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read(path: Path) -> PairsFile:
    """Read a file, and unpack its images unless the cache holds them. Nothing in the file is executed.

    Raises:
        DataError: the file can't be read, is damaged, or holds something else.
        RunError: the images can't be written.
    """
    if path.exists() and not path.is_file():
        raise DataError(Problem(path, "not a file", _ADVICE))  # a named pipe would block
    with files.reading(path, _ADVICE):
        if path.stat().st_size > bin_pickle.MOST_BYTES:
            raise DataError(Problem(path, f"larger than {bin_pickle.MOST_BYTES >> 30} GiB", _ADVICE))
        entry = cache_folder(FOLDER) / files.sha256(path)[:32]
    index = _index(entry) or _unpacked(path, entry)
    names = index["images"]
    pairs = tuple(map(Pair, names[::2], names[1::2], map(bool, index["same"])))
    return PairsFile(pairs, DEFAULT_FOLDS, open_folds=True, folder=entry, people=dict.fromkeys(names, ""))


def write(path: Path, pairs: Sequence[tuple[Path, Path, bool]]) -> None:
    """Write pairs of images as InsightFace's tools read them, in protocol 3. Files are taken as they are.

    An image that is in several pairs is written once.

    Raises:
        DataError: an image can't be read.
        RunError: the file can't be written.
    """

    def fill(file: BinaryIO) -> None:
        places: dict[Path, int] = {}
        file.write(b"\x80\x03](")
        for image in (image for pair in pairs for image in pair[:2]):
            if image in places:
                file.write(b"j" + struct.pack("<I", places[image]))
                continue
            with files.reading(image, "give images that can be read"):
                content = files.read(image)
            file.write(b"B" + struct.pack("<I", len(content)))
            file.write(content)
            file.write(b"r" + struct.pack("<I", places.setdefault(image, len(places))))
        file.write(b"e](" + bytes(0x88 if is_same else 0x89 for _, _, is_same in pairs) + b"e\x86.")

    files.write(path, fill)


def _unpacked(path: Path, entry: Path) -> dict[str, Any]:
    """Unpack a file's images, and return their index. Another process that unpacks the same file is waited for."""
    try:
        files.private_folder(entry.parent)
        with files.locked(entry.with_name(f".{entry.name}.unpacking"), wait=True):
            index = _index(entry)
            if index is None:
                shutil.rmtree(entry, ignore_errors=True)  # images of it are missing
                files.write_folder(entry, functools.partial(_unpack, path))
                index = _index(entry)
    except OSError as error:
        found = f"can't be written ({error.strerror})"
        raise RunError(Problem(entry.parent, found, "name another folder in FINETUNE_CACHE")) from error
    if index is None:
        raise DataError(Problem(entry, "changed while it was read", "try again"))
    return index


def _index(entry: Path) -> dict[str, Any] | None:
    """Return the index of unpacked images, or None if the entry is not whole."""
    try:
        index: dict[str, Any] = json.loads(files.read(entry / INDEX))
        there = {path.name for path in entry.iterdir()}
    except (OSError, ValueError):
        return None
    return index if there.issuperset(index["images"]) else None


def _unpack(path: Path, folder: Path) -> None:
    """Write the images of a file and their index into a folder."""

    def store(content: bytes, suffix: str) -> str:
        name = hashlib.sha256(content).hexdigest() + suffix
        if not (folder / name).exists():
            (folder / name).write_bytes(content)
        return name

    try:
        content = bin_pickle.load(path, store)
    except Refused as problem:
        raise DataError(Problem(path, str(problem), _ADVICE)) from None
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(Problem(path, "not a pickle, or damaged", _ADVICE)) from error
    files.write_json(folder / INDEX, {"images": content.images, "same": [int(same) for same in content.is_same]})
