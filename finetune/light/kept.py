"""Graphs that are kept in the user's cache: one folder per checkpoint, made whole and checked at each use.

The name of a folder is a digest of all that the graph depends on, so that a stale graph is never found. Of several
processes that need the same graph at once, one makes it and the others wait.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import google_crc32c

from finetune import files
from finetune.light.session import GRAPH, WEIGHTS
from finetune.paths import cache_entries, cache_folder

CACHE = "graphs"
"""Name of the cache's folder."""
MOST = 8
"""Largest number of graphs that are kept. The least recently used ones are removed."""
RECORD = "record.json"
"""File with the record of a graph, written last."""
BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Record:
    """Record of a kept graph.

    Attributes:
        digests: SHA-256 of each variable of the network, by TF1 name in the order of the units.
        multiply_adds: multiply-adds of each unit for one image.
        outputs: shape of each unit's output for one image.
        largest_difference: largest difference of an embedding's value from TensorFlow's, on the probe images.
    """

    digests: Mapping[str, str]
    multiply_adds: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    largest_difference: float


def name_of(**parts: object) -> str:
    """Return the name of a graph's folder: a digest of all that the graph depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def processor() -> str:
    """Return a description of the processor, for whose instructions a graph is optimized."""
    with contextlib.suppress(OSError, StopIteration), Path("/proc/cpuinfo").open(encoding="utf-8") as told:
        return next(line.strip() for line in told if line.lower().startswith(("flags", "features")))
    return f"{platform.machine()} {platform.processor()}"


def find(name: str) -> tuple[Path, Record] | None:
    """Return the folder and the record of a kept graph, or None if there is none or it is damaged."""
    folder = cache_folder(CACHE) / name
    try:
        told = json.loads((folder / RECORD).read_bytes())
        if told.pop("crc32c") != {file: _crc32c(folder / file) for file in (GRAPH, WEIGHTS)}:
            return None
        outputs = tuple(tuple(shape) for shape in told["outputs"])
        found = Record(told["digests"], tuple(told["multiply_adds"]), outputs, told["largest_difference"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # the least recently used ones go first
    return folder, found


def keep(name: str, fill: Callable[[Path], Record]) -> tuple[Path, Record] | None:
    """Make a graph, unless another process has made it meanwhile, and return it as `find` does.

    Args:
        name: name of the graph's folder.
        fill: function that writes the graph into a folder and returns its record.

    Raises:
        RunError: the graph can't be written.
        OSError: the cache can't be written.
    """

    def whole(folder: Path) -> None:
        record = dataclasses.asdict(fill(folder))
        record["crc32c"] = {file: _crc32c(folder / file) for file in (GRAPH, WEIGHTS)}
        files.write_json(folder / RECORD, record)

    above = files.private_folder(cache_folder(CACHE))
    with files.locked(above / f".{name}.making", wait=True):
        if found := find(name):
            return found
        shutil.rmtree(above / name, ignore_errors=True)  # a damaged one
        make_way(CACHE, MOST)
        files.write_folder(above / name, whole)
    return find(name)


def make_way(cache: str, most: int) -> None:
    """Remove the least recently used entries of a cache that holds at most so many, to make room for one more."""

    def used(entry: Path) -> float:
        with contextlib.suppress(OSError):
            return entry.stat().st_mtime
        return 0.0

    for entry in sorted(cache_entries(cache), key=used, reverse=True)[most - 1 :]:
        with contextlib.suppress(OSError):
            files.remove(entry)


def _crc32c(path: Path) -> int:
    """Return the checksum of a file, which a disk's errors change. It takes a tenth of SHA-256's time."""
    checksum = 0
    with path.open("rb") as file:
        for block in _blocks(file.read):
            checksum = google_crc32c.extend(checksum, block)
    return checksum


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while block := read(BLOCK):
        yield block
