"""Journal of finished photos, in a hidden file of the output folder, one line per photo."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from finetune import files
from finetune.align.faces import Faces, Fallback
from finetune.errors import DataError, Problem, RunError
from finetune.paths import in_one_line

NAME = ".align.jsonl"
LOCK = ".align.lock"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of aligning one photo.

    Attributes:
        photo: name relative to the folder of photos, with its suffix.
        version: size and modification time of the photo's file, to detect changes.
        faces: faces that were cut; empty if there was none to cut, None if the photo could not be used.
        failure: reason why there is no crop; empty if there is one.
        fallback: what was cut because no face was found; None if a face was cut, or nothing.
    """

    photo: str
    version: tuple[int, int]
    faces: Faces | None
    failure: str = ""
    fallback: Fallback | None = None

    def to_line(self) -> str:
        """Return the outcome as JSON in one line."""
        lines = None if self.faces is None else self.faces.to_lines()
        fields = {"photo": self.photo, "version": self.version, "faces": lines, "failure": self.failure}
        return json.dumps(fields | ({"fallback": self.fallback} if self.fallback else {}))

    @classmethod
    def from_line(cls, line: str) -> Outcome:
        """Parse a line that `to_line` returned.

        Raises:
            ValueError, KeyError, TypeError: the line is malformed.
            DataError: the text of a face in it is malformed.
        """
        fields = json.loads(line)
        faces = None if fields["faces"] is None else Faces.from_lines(fields["faces"])
        if fields.get("fallback") not in (None, *get_args(Fallback)):
            raise ValueError(fields["fallback"])
        return cls(fields["photo"], tuple(fields["version"]), faces, fields["failure"], fields.get("fallback"))


class Journal:
    """Journal file of an output folder; `opened` creates it.

    Attributes:
        outcomes: outcomes of earlier runs, by photo.
    """

    def __init__(self, path: Path, head: str, outcomes: dict[str, Outcome]) -> None:
        self._path = path
        self._head = head
        self.outcomes = outcomes

    def begin(self, finished: Iterable[Outcome]) -> None:
        """Rewrite the file with the outcomes that are still valid."""
        files.write_text(self._path, "".join(f"{line}\n" for line in [self._head, *(o.to_line() for o in finished)]))

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Append photos whose crops have been written.

        Raises:
            RunError: the disk is full, or the folder can't be written to.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{outcome.to_line()}\n" for outcome in outcomes))
        except OSError as error:
            raise RunError(
                Problem(self._path, f"can't be written ({error.strerror})", "make room and run it again")
            ) from error


@contextlib.contextmanager
def opened(out: Path, settings: Mapping[str, Any]) -> Iterator[Journal]:
    """Open an output folder's journal, and lock the folder against other processes.

    Args:
        out: output folder; created if missing.
        settings: everything that the crops depend on except the photos' contents, in JSON's types.

    Raises:
        DataError: the folder holds something else or was aligned with other settings, or another process uses it.
        RunError: the folder can't be written to.
    """
    path = out / NAME
    if not path.exists() and out.exists() and (not out.is_dir() or any(found.name != LOCK for found in out.iterdir())):
        raise DataError(
            Problem(in_one_line(out), "already there and not made by align", "give another folder, or an empty one")
        )
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(files.locked(out / LOCK))
        except files.Held as held:
            raise DataError(Problem(in_one_line(out), f"{held.holder} aligns into it", "wait for its end")) from None
        except OSError as error:
            raise RunError(
                Problem(in_one_line(out), f"can't be written to ({error.strerror})", "choose another folder")
            ) from error
        yield Journal(path, json.dumps(settings), _read(path, settings) if path.exists() else {})


def _read(path: Path, settings: Mapping[str, Any]) -> dict[str, Outcome]:
    """Read the outcomes of earlier runs.

    Raises:
        DataError: these runs had other settings, or the file is damaged.
    """
    before, outcomes = read_journal(path)
    other = [
        f"{key} {before.get(key)}, not {settings.get(key)}"
        for key in before | dict(settings)
        if before.get(key) != settings.get(key)
    ]
    if other:
        text = in_one_line("; ".join(other))
        raise DataError(
            Problem(in_one_line(path.parent), f"was aligned with {text}", "use the same settings or another folder")
        )
    return outcomes


def read_journal(path: Path) -> tuple[dict[str, Any], dict[str, Outcome]]:
    """Read the settings of the runs that made a folder of crops, and the outcome of each photo.

    Args:
        path: path of the journal, `NAME` in the folder.

    Raises:
        DataError: the file can't be read, or is damaged.
    """
    head, *lines = files.read_text(path, "another folder").split("\n")
    try:
        settings = json.loads(head)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise DataError(Problem(in_one_line(path), "damaged", "give another folder"))
    outcomes = {}
    for line in lines:
        # The last line is empty, and a killed run may have left a partial line.
        with contextlib.suppress(DataError, ValueError, KeyError, TypeError, RecursionError):
            outcome = Outcome.from_line(line)
            outcomes[outcome.photo] = outcome
    return settings, outcomes


def version(photo: Path) -> tuple[int, int]:
    """Return a file's size in bytes and its modification time in nanoseconds; zeros if there is no file."""
    try:
        status = os.stat(photo)
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)
