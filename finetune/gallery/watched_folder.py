"""A folder that is watched: which of its files are complete, and which were answered before."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from finetune import files
from finetune.errors import DataError, Problem, RunError
from finetune.paths import SYSTEM_FILES, in_one_line, refuse_within

Version = tuple[int, int]
"""Size of a file in bytes, and its modification time in nanoseconds."""
FIRST_LINE = "finetune identify --watch"


class WatchedFolder:
    """Files of a folder of any depth, each of which is given once, when it is complete.

    A file is complete when its size and its time have not changed from one look to the next. An empty file is not
    complete yet. A file that was changed later is a new file. Names that begin with a dot are skipped.

    Args:
        folder: folder to watch.
        answered: version of each file that was answered before, by its path in the folder.
    """

    def __init__(self, folder: Path, answered: dict[str, Version] | None = None) -> None:
        self.folder = folder
        self.answered = dict(answered or {})
        self._seen: dict[str, Version] = {}

    def look(self) -> list[str]:
        """Return the paths in the folder of the files that are complete now and were not answered, sorted.

        Raises:
            DataError: the folder is gone.
        """
        now = self._versions()
        complete = [
            name
            for name, version in now.items()
            if self._seen.get(name) == version and version[0] and self.answered.get(name) != version
        ]
        self._seen = now
        return sorted(complete)

    def skip_all(self) -> None:
        """Count all files that are there now as answered."""
        self.answered |= self._versions()

    def version(self, name: str) -> Version:
        """Return the version of a file that was given, as it was then."""
        return self._seen[name]

    def _versions(self) -> dict[str, Version]:
        if not self.folder.is_dir():
            raise DataError(Problem(in_one_line(self.folder), "the watched folder is gone", "give one that is there"))
        found: dict[str, Version] = {}
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if name.startswith(".") or name.lower() in SYSTEM_FILES:
                    continue
                path = os.path.join(place, name)
                with contextlib.suppress(OSError):  # it has gone meanwhile
                    status = os.stat(path)
                    if os.path.isfile(path):
                        found[os.path.relpath(path, self.folder)] = (status.st_size, status.st_mtime_ns)
        return found


class WatchJournal:
    """File with one JSON line per answered file, so that a restart answers none twice.

    Attributes:
        path: path of the journal.
        answered: version of each file that was answered, by its path in the folder.
    """

    def __init__(self, path: Path, file: TextIO, answered: dict[str, Version]) -> None:
        self.path = path
        self._file = file
        self.answered = answered

    def note(self, name: str, version: Version) -> None:
        """Note that a file was answered; the line is on the disk when this returns.

        Raises:
            RunError: the line can't be written.
        """
        self.answered[name] = version
        with _writing(self.path):
            self._file.write(json.dumps([name, *version]) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


@contextlib.contextmanager
def open_journal(path: Path, folder: Path) -> Iterator[WatchJournal]:
    """Open the journal of a watched folder, or begin one. A line that a kill has cut is forgotten.

    Raises:
        DataError: the file is not a journal, lies in the folder, or another process uses it.
        RunError: the file can't be written.
    """
    refuse_within(path, folder)
    with contextlib.ExitStack() as stack:
        with _writing(path):
            stack.enter_context(files.locked(path.with_name(f".{path.name}.lock")))
            answered = _read(path) if path.exists() else {}
            files.write_text(path, "".join(f"{line}\n" for line in _lines(answered)))
            file = stack.enter_context(path.open("a", encoding="utf-8"))
        yield WatchJournal(path, file, answered)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(Problem(in_one_line(path), f"can't be written ({error.strerror or error})")) from error


def _lines(answered: dict[str, Version]) -> list[str]:
    return [json.dumps(FIRST_LINE), *(json.dumps([name, *version]) for name, version in answered.items())]


def _read(path: Path) -> dict[str, Version]:
    advice = "a new file, or the journal of an earlier --watch"
    first, *lines = files.read_text(path, advice).split("\n")
    if first != json.dumps(FIRST_LINE):
        raise DataError(Problem(in_one_line(path), "not a journal of --watch", f"give {advice}"))
    answered: dict[str, Version] = {}
    for number, line in enumerate(lines[:-1], 2):  # the last one is empty, or was cut by a kill
        try:
            name, size, time = json.loads(line)
            sound = isinstance(name, str) and type(size) is int and type(time) is int
        except (ValueError, TypeError, RecursionError):
            sound = False
        if not sound:
            raise DataError(
                Problem(f"{in_one_line(path)}:{number}", "damaged", "mend this line, or give a new journal")
            )
        answered[name] = (size, time)
    return answered
