"""Quarantine of suspect files: they are moved by renaming, with a list of moves that allows undoing them.

The quarantine is a folder beside the dataset, `FOLDER.quarantine`. It holds `PERSON/FILE` and the list, `undo.json`,
which is written before the first move. If a run is killed, the list may name moves that were not made. Undoing leaves
such files where they are. The list is therefore correct whenever a run is killed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

from finetune import files
from finetune.errors import DataError, Problem, RunError
from finetune.paths import in_one_line
from finetune.progress import track

LIST = "undo.json"


@dataclass(frozen=True)
class Quarantine:
    """Quarantine for a folder's suspects.

    Attributes:
        folder: folder of the dataset, with links resolved.
        place: folder of the quarantine, beside it.
    """

    folder: Path
    place: Path

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> Quarantine:
        """Return the quarantine of a folder.

        Raises:
            DataError: there is no such folder, or it is the root of the file system.
        """
        given = Path(os.path.expanduser(folder))
        if not given.is_dir():
            raise DataError(Problem(given, "no such folder", "give the one that was examined"))
        real = given.resolve()
        if not real.name:
            raise DataError(Problem(given, "nothing can lie beside it", "give a folder below it"))
        return cls(real, real.with_name(f"{real.name}.quarantine"))

    def move(self, suspects: Sequence[Path]) -> int:
        """Move files of the folder into the quarantine, and return their number.

        Raises:
            DataError: a file can't be moved there, or the list can't be read; nothing was moved.
            RunError: the list can't be written, or a move failed; the moves so far can be undone.
        """
        self.refuse(suspects)
        before = self._read()
        moves = self._plan(suspects)
        if not moves:
            return 0
        times = {folder: (self.folder / folder).stat().st_mtime_ns for folder in {Path(m[0]).parts[0] for m in moves}}
        every = dict.fromkeys([*before.moves, *moves])  # a move that a killed run left out may be planned again
        files.write_json(self.place / LIST, {"moves": list(every), "times": times | before.times})
        for source, target in track(moves, len(moves), "moving files"):
            _rename(self.folder / source, self.place / target)
        return len(moves)

    def undo(self) -> Undone:
        """Move every file back, and restore the modification times of the people's folders.

        If several files came from the same path, the first returns there. The others go beside it, under their
        numbered names in the quarantine.

        Raises:
            DataError: there is nothing to undo, the list names paths outside both folders, or other files are in the
                way (one line each); nothing was moved.
            RunError: a move failed; the rest can still be undone.
        """
        if not (self.place / LIST).is_file():
            raise DataError(Problem(self.place, f"no {LIST} in it; nothing was moved there, or all is back"))
        stored = self._read()
        self._refuse_outside(stored)
        moves = [(source, target) for source, target in stored.moves if os.path.lexists(self.place / target)]
        back = self._way_back(moves)
        blocked = [name for name in back.values() if os.path.lexists(self.folder / name)]
        if blocked:
            found = "another file stands where one is to come back to"
            raise DataError(*(Problem(in_one_line(self.folder / name), found, "move it away") for name in blocked))
        for target, name in track(back.items(), len(back), "moving files back"):
            _rename(self.place / target, self.folder / name)
        for name, time in stored.times.items():
            with contextlib.suppress(OSError):  # another owner's folder keeps the time of the move
                os.utime(self.folder / name, ns=(os.stat(self.folder / name).st_atime_ns, time))
        self._clear(stored)
        gone = [self.folder / source for source, _ in stored.moves if not os.path.lexists(self.folder / source)]
        renamed = [self.folder / back[target] for source, target in moves if back[target] != source]
        return Undone(len(moves), gone, renamed)

    def refuse(self, suspects: Sequence[Path] = ()) -> None:
        """Check, before anything is moved, that the moves can succeed.

        Raises:
            DataError: files can't be moved into the quarantine, or out of a suspect's folder (one line each).
        """
        above = self.place if self.place.is_dir() else self.place.parent
        if self.place.exists() and not self.place.is_dir():
            raise DataError(Problem(in_one_line(self.place), "a file, where the suspects are to go", "move it away"))
        if not os.access(above, os.W_OK | os.X_OK):
            raise DataError(
                Problem(in_one_line(above), "may not be written to, and the suspects are to go there", "allow it")
            )
        problems = []
        for folder in dict.fromkeys(path.parent for path in suspects):
            where = in_one_line(folder)
            if folder.stat().st_dev != above.stat().st_dev:
                elsewhere = f"on another file system than {in_one_line(self.place)}"
                problems.append(Problem(where, elsewhere, "move its suspects by hand"))
            elif not folder.resolve().is_relative_to(self.folder):
                leads_out = f"a link that leads out of {in_one_line(self.folder)}"
                problems.append(Problem(where, leads_out, "move its suspects by hand"))
            elif not os.access(folder, os.W_OK | os.X_OK):
                found = "may not be written to, and suspects are to be moved out of it"
                problems.append(Problem(where, found, "allow it"))
        if problems:
            raise DataError(*problems)

    def _refuse_outside(self, stored: _Stored) -> None:
        """Refuse a list that leads out of the two folders, by its names or by links: it may come from anywhere.

        Raises:
            DataError: a path is outside; nothing was moved.
        """
        moves = [place for move in stored.moves for place in zip((self.folder, self.place), move, strict=True)]
        outside = [name for top, name in moves if not _within(top, name, depth=2)]
        outside += [name for name in stored.times if not _within(self.folder, name, depth=1)]
        if outside:
            raise DataError(
                Problem(
                    in_one_line(self.place / LIST),
                    f"names {in_one_line(outside[0])}, which is not in {self.folder} or in the quarantine",
                    "move the files back by hand",
                )
            )

    def _plan(self, suspects: Sequence[Path]) -> list[tuple[str, str]]:
        """Return each move once: (path in the folder, path in the quarantine), where no target exists yet."""
        moves: dict[tuple[Path, str], tuple[str, str]] = {}
        taken: set[str] = set()
        for path in suspects:
            source = f"{path.parent.name}/{path.name}"
            numbers = (f"~{number}" if number else "" for number in count())
            names = (f"{path.parent.name}/{path.stem}{number}{path.suffix}" for number in numbers)
            target = next(name for name in names if name not in taken and not os.path.lexists(self.place / name))
            taken.add(target)
            moves.setdefault((path.parent.resolve(), path.name), (source, target))  # two links may lead to one folder
        return list(moves.values())

    def _way_back(self, moves: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Map each path in the quarantine to a different path in the folder."""
        back: dict[str, str] = {}
        taken: set[str] = set()
        for source, target in moves:
            later = target != source and (source in taken or os.path.lexists(self.folder / source))
            back[target] = target if later else source
            taken.add(back[target])
        return back

    def _read(self) -> _Stored:
        path = self.place / LIST
        try:
            stored = json.loads(files.read(path))
            moves = [(str(source), str(target)) for source, target in stored["moves"]]
            return _Stored(moves, {str(name): int(time) for name, time in stored["times"].items()})
        except FileNotFoundError:
            return _Stored([], {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                Problem(in_one_line(path), "damaged, or can't be read", "move the files back by hand")
            ) from error

    def _clear(self, stored: _Stored) -> None:
        """Remove the list and the folders that are empty now; files of others stay."""
        for name in (LIST, f".{LIST}.partial"):
            (self.place / name).unlink(missing_ok=True)
        for folder in (*{(self.place / target).parent for _, target in stored.moves}, self.place):
            with contextlib.suppress(OSError):
                folder.rmdir()


class Undone(NamedTuple):
    """Result of an undo.

    Attributes:
        moved: number of files moved back.
        gone: original paths of files that are in neither place any more.
        renamed: paths of files that came back under a numbered name, because their path was taken.
    """

    moved: int
    gone: list[Path]
    renamed: list[Path]


class _Stored(NamedTuple):
    """Content of the list: planned moves, and earlier modification times of the people's folders, in nanoseconds."""

    moves: list[tuple[str, str]]
    times: dict[str, int]


def _within(top: Path, name: str, depth: int) -> bool:
    """Return whether a name has `depth` parts below a folder, and its first part does not link out of the folder."""
    parts = name.split("/")
    if len(parts) != depth or not {"", ".", ".."}.isdisjoint(parts) or "\0" in name:
        return False
    return (top / parts[0]).resolve().is_relative_to(top.resolve())


def _rename(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(source, target)
    except OSError as error:
        found = f"can't be moved to {in_one_line(target)} ({error.strerror})"
        advice = "mend that and go on; --undo undoes all moves"
        raise RunError(Problem(in_one_line(source), found, advice)) from error
