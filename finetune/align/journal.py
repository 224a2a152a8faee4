"""What has been aligned so far, in a hidden file of the output folder: a photo a line, added as they are finished."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune import files
from finetune.align.faces import Faces
from finetune.errors import DataError, RunError

NAME = ".align.jsonl"
LOCK = ".align.lock"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        photo: relative to the folder of photos, with its suffix.
        version: the photo file's size and time of change, by which it is known again.
        faces: those that were cut; none, where no face was found; None, where the photo could not be used.
        failure: why it has no crop; empty where it has.
    """

    photo: str
    version: tuple[int, int]
    faces: Faces | None
    failure: str = ""

    def to_line(self) -> str:
        """As JSON, in one line."""
        lines = None if self.faces is None else self.faces.to_lines()
        return json.dumps({"photo": self.photo, "version": self.version, "faces": lines, "failure": self.failure})

    @classmethod
    def from_line(cls, line: str) -> Outcome:
        """What `to_line` wrote; a ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(line)
        faces = None if fields["faces"] is None else Faces.from_lines(fields["faces"])
        return cls(fields["photo"], tuple(fields["version"]), faces, fields["failure"])


class Journal:
    """The file in an output folder.

    Args:
        out: the folder.
        settings: all that the crops depend on but the photos, as JSON holds it.

    Raises:
        DataError: the folder holds something else, or what was aligned with other settings.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self._path = out / NAME
        self._head = json.dumps(settings)
        self.outcomes: dict[str, Outcome] = {}
        if self._path.exists():
            self._read(out, settings)
        elif out.exists() and (not out.is_dir() or any(path.name != LOCK for path in out.iterdir())):
            raise DataError(f"{out}: already there and not made by align; give another folder, or an empty one")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out of the folder meanwhile.

        Raises:
            DataError: another process aligns into it.
            RunError: the folder can't be written to.
        """
        path = self._path.with_name(LOCK)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        except OSError as error:
            raise RunError(f"{path.parent}: can't be written to ({error.strerror}); choose another folder") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise DataError(f"{path.parent}: another align writes into it; wait for its end") from None
        finally:
            os.close(descriptor)

    def begin(self, finished: Iterable[Outcome]) -> None:
        """Starts the file anew with what is finished and still holds."""
        files.write_text(self._path, "".join(f"{line}\n" for line in [self._head, *(o.to_line() for o in finished)]))

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Adds photos whose crops have been written.

        Raises:
            RunError: the disk is full, or the folder can't be written to.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{outcome.to_line()}\n" for outcome in outcomes))
        except OSError as error:
            raise RunError(f"{self._path}: can't be written ({error.strerror}); make room and run it again") from error

    def _read(self, out: Path, settings: Mapping[str, Any]) -> None:
        head, *lines = self._path.read_text(encoding="utf-8").split("\n")
        try:
            before = json.loads(head)
        except ValueError:
            before = None
        if not isinstance(before, dict):
            raise DataError(f"{self._path}: damaged; give another folder")
        others = [
            f"{key} {before.get(key)}, not {value}" for key, value in settings.items() if before.get(key) != value
        ]
        if others:
            raise DataError(f"{out}: was aligned with {'; '.join(others)}; use the same settings or another folder")
        for line in lines:
            try:
                outcome = Outcome.from_line(line)
            except (ValueError, KeyError, TypeError):  # the end of the file, or where a kill cut a line
                continue
            self.outcomes[outcome.photo] = outcome


def version(photo: Path) -> tuple[int, int]:
    """A file's size in bytes and time of change in nanoseconds; zeros where there is none."""
    try:
        status = os.stat(photo)
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)
