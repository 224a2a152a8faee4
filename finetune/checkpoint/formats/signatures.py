"""Recognition of a file by its content: the formats of weights, and what people hold instead of weights."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from finetune.errors import Problem

HEAD = 4096
"""Number of bytes that are looked at."""
ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
PYTORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""Beginning of a file of PyTorch before 1.6: a pickled number."""


class Kind(NamedTuple):
    """Kind of file that is not weights, or not in a form that can be read.

    Attributes:
        matches: function that tells the kind by the first bytes.
        found: description, as it follows "is".
        advice: what to do.
    """

    matches: Callable[[bytes], object]
    found: str
    advice: str


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


AGAIN = "download it again, and compare its size with what the page says"
CUT = "the beginning of a zip archive, whose end is missing"
UNPACK = "unpack it, and give what is in it"
KINDS = (
    Kind(lambda head: not head, "an empty file", AGAIN),
    Kind(
        re.compile(rb"(?i)\s*(<!doctype html|<html|<head|<!-- )").match,
        "a web page, not the file that it offers",
        "open it in a browser to see what it asks for, and download the file itself",
    ),
    Kind(
        _starts(b"version https://git-lfs"),
        "a pointer of Git LFS, which stands for the file",
        "run git lfs pull in its clone, or download the file itself",
    ),
    Kind(lambda head: head[4:8] == b"TFL3", "a TFLite model, which nothing can be trained from", "give its original"),
    Kind(_starts(b"\x93NUMPY"), "a NumPy array", "give the checkpoint"),
    Kind(_starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"), "an image", "give the checkpoint"),
    Kind(_starts(b"Rar!"), "a RAR archive", UNPACK),
    Kind(_starts(b"7z\xbc\xaf"), "a 7z archive", UNPACK),
    Kind(_starts(b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd", b"\x1f\x8b"), "a compressed file", UNPACK),
    Kind(_starts(b"PK"), CUT, AGAIN),
    Kind(_starts(b"<?xml"), "an XML file, such as the graph of an OpenVINO model", "give what it was made from"),
    Kind(re.compile(rb"\s*[{\[]").match, "a JSON file", "give the weights that lie beside it"),
    Kind(_starts(b"%PDF"), "a PDF", "give the checkpoint"),
    Kind(re.compile(rb"\x80[\x02-\x05]").match, "a pickle, but not PyTorch's", "give the weights"),
    Kind(re.compile(rb"[\t\n\r\x20-\x7e]+\Z").match, "a text file", "give the checkpoint"),
)
"""The kinds in the order in which they are tried."""


def head_of(path: Path) -> bytes:
    """Return the first bytes of a regular file.

    Raises:
        OSError: the file can't be read.
    """
    if not path.is_file():  # a pipe would block
        return b""
    with path.open("rb") as file:
        return file.read(HEAD)


def format_of(path: Path) -> str | None:
    """Return the name of the format that a file's content tells, or None: not every format tells it.

    The names are those of `Format.name`, and `archive` for a zip or tar archive.

    Raises:
        OSError: the file can't be read.
    """
    head = head_of(path)
    if head.startswith(HDF5):
        return "h5"
    if head.startswith(PYTORCH):
        return "pytorch"
    if head.startswith(ZIP):
        return _of_zip(path)
    compressed = head.startswith(b"\x1f\x8b") and path.name.endswith((".tar.gz", ".tgz"))
    return "archive" if compressed or head[257:262] == b"ustar" else None


def _of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        return "pytorch"
    return "keras" if {"config.json", "model.weights.h5"} <= names else "archive"


def refusal(path: Path, where: Path | None = None) -> Problem | None:
    """Return what a file is, and what to do, if it is of a known kind that holds no weights; else None."""
    try:
        head = head_of(path)
    except OSError:
        return None
    kind = next((kind for kind in KINDS if kind.matches(head)), None)
    if kind is not None and kind.found == CUT and zipfile.is_zipfile(path):
        return None
    return Problem(where or path, f"is {kind.found}", kind.advice) if kind else None
