"""Summaries of checkpoints that were restored before, kept in the user's cache: a checkpoint is read once.

A summary is used again for the same path and the same choice, while every file in the checkpoint's folder has the same
name, size, times of change and inode. A folder that changed shortly before it was read is read again, since the times
of its files could not tell a later change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import __version__, files
from finetune.backbones import OWN, Backbone
from finetune.errors import DataError, RunError
from finetune.images import Choice, Preprocessing
from finetune.light import kept
from finetune.paths import cache_folder

if TYPE_CHECKING:
    from finetune.backbones import Weights
    from finetune.checkpoint import Account

CACHE = "checkpoints"
"""Name of the cache's folder."""
MOST = 64
"""Largest number of summaries that are kept. The least recently used ones are removed."""
MOST_FILES = 1000
"""Largest number of files in a folder whose checkpoint is summarized."""
LARGEST = 2**26
"""Largest size in bytes of a summary that is read."""
VERSION = 1
"""Version of the summaries. A change of what a restore makes of the same files raises it."""
States = list[list[Any]]
"""Name and state of each file of a folder."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Properties of a checkpoint that a model needs to embed with a kept graph.

    Attributes:
        prefix: TensorFlow's name of the checkpoint; for a single file, its path.
        backbone: network of the checkpoint.
        preprocessing: preprocessing that the checkpoint expects.
        class_names: names of the head's classes, in order; empty if unknown.
        num_classes: number of classes of the head, or None without a head.
        embedding_size: number of values in an embedding.
        remarks: remarks on names and values that differ from those in the checkpoint's files.
        digests: SHA-256 of the files that hold values, sorted.
    """

    prefix: Path
    backbone: Backbone
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    num_classes: int | None
    embedding_size: int
    remarks: tuple[str, ...]
    digests: tuple[str, ...]

    @classmethod
    def of(cls, found: Account) -> Summary:
        """Return the summary of an account.

        Raises:
            CheckpointError: a file can't be read.
        """
        assert found.located is not None
        assert found.stored is not None
        weights, _ = found.backbone.head_variables
        return cls(
            found.located.prefix,
            found.backbone,
            found.preprocessing,
            found.class_names,
            found.needed[weights][1] if weights in found.needed else None,
            found.contents.embedding_size,
            found.remarks,
            tuple(sorted(found.stored.digests.values())),
        )


class Summarized:
    """The place of a checkpoint's summary in the cache.

    Args:
        checkpoint: path as given.
        choice: input of the network.
        weights: `averages` for the moving averages of the variables.
    """

    def __init__(self, checkpoint: str | Path, choice: Choice, weights: Weights) -> None:
        given = os.path.expanduser(checkpoint)
        self._folder = os.path.realpath(given if os.path.isdir(given) else os.path.dirname(given))
        told = [VERSION, __version__, os.fspath(checkpoint), self._folder, choice, weights]
        self._file = cache_folder(CACHE) / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
        self._began, self._states = time.time_ns(), _states(self._folder)

    def find(self) -> Summary | None:
        """Return the kept summary; None if there is none, it is damaged, or a file of the folder has changed."""
        try:
            digest, _, text = files.read(self._file, LARGEST).partition(b"\n")
            if digest != _digest(text):
                return None
            states, told = json.loads(text)
            found = _read(told) if states == self._states else None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        with contextlib.suppress(OSError):
            os.utime(self._file)  # the least recently used ones go first
        return found

    def keep(self, found: Account) -> None:
        """Keep the summary of an account that was read since this object was made.

        A full disk, or another process that writes the same file, is not an error: the checkpoint is read again next
        time.
        """
        if not self._is_told_by_folder(found):
            return
        text = json.dumps([self._states, _written(Summary.of(found))]).encode()
        with contextlib.suppress(OSError, RunError, DataError):
            above = files.private_folder(files.private_folder(self._file.parent.parent) / CACHE)
            with files.locked(above / f".{self._file.name}.lock"):
                kept.make_way(CACHE, MOST)
                content = _digest(text) + b"\n" + text
                files.write(self._file, lambda file: file.write(content), sync=False, private=True)

    def _is_told_by_folder(self, found: Account) -> bool:
        """Return whether the states of the folder's files would tell any later change of the account."""
        from finetune.backbones import BACKBONES

        assert found.located is not None
        if self._states is None or not all(files.settled(state, self._began) for _, *state in self._states):
            return False
        folders = {os.path.realpath(file.parent) for file in (found.located.prefix, *found.located.files)}
        return folders == {self._folder} and BACKBONES.get(found.backbone.name) == found.backbone


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _states(folder: str) -> States | None:
    """Return the name and the state of each file of a folder, sorted; None for a large folder, or without one."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    if len(names) > MOST_FILES:
        return None
    return [[name, *files.state(os.path.join(folder, name))] for name in names]


def _network(name: str) -> Backbone:
    """Return one of finetune's networks. The others are made only if it is none of `OWN`.

    Raises:
        KeyError: there is no such network.
    """
    if name in OWN:
        return OWN[name]
    from finetune.backbones import BACKBONES

    return BACKBONES[name]


def _written(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON has it."""
    told = {field.name: getattr(summary, field.name) for field in dataclasses.fields(summary)}
    preprocessing = dataclasses.asdict(summary.preprocessing)
    return {**told, "prefix": str(summary.prefix), "backbone": summary.backbone.name, "preprocessing": preprocessing}


def _read(told: dict[str, Any]) -> Summary:
    """Return a summary from JSON."""
    lists = {name: tuple(told[name]) for name in ("class_names", "remarks", "digests")}
    prefix, backbone, preprocessing = (told[name] for name in ("prefix", "backbone", "preprocessing"))
    objects = {"prefix": Path(prefix), "backbone": _network(backbone), "preprocessing": Preprocessing(**preprocessing)}
    return Summary(**{**told, **lists, **objects})
