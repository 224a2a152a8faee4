"""Suspect files moved aside and back: by renaming, with a list of all moves that is written before the first.

The quarantine lies beside the folder, as `FOLDER.quarantine`, and holds `PERSON/FILE` and the list,
`undo.json`. A list may name moves that were not made, because a run was killed: a file that is still
where it was is left there. So whatever the moment of a kill, the list leads back.
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
    """The place where a folder's suspects go.

    Attributes:
        folder: of the dataset, links resolved.
        place: the quarantine, beside it.
    """

    folder: Path
    place: Path

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> Quarantine:
        """The quarantine of a folder.

        Raises:
            DataError: there is no such folder.
        """
        given = Path(os.path.expanduser(folder))
        if not given.is_dir():
            raise DataError(Problem(given, "no such folder", "give the one that was examined"))
        real = given.resolve()
        if not real.name:
            raise DataError(Problem(given, "nothing can lie beside it", "give a folder below it"))
        return cls(real, real.with_name(f"{real.name}.quarantine"))

    def move(self, suspects: Sequence[Path]) -> int:
        """Moves files of the folder into the quarantine; returns how many.

        Raises:
            DataError: a file can't be moved there, or the list can't be read; nothing is moved.
            RunError: the list can't be written, or a move failed; what was moved can be undone.
        """
        self.refuse(suspects)
        before = self._read()
        moves = self._plan(suspects)
        if not moves:
            return 0
        times = {folder: (self.folder / folder).stat().st_mtime_ns for folder in {Path(m[0]).parts[0] for m in moves}}
        every = dict.fromkeys([*before.moves, *moves])  # one that a kill left undone may be planned again
        files.write_json(self.place / LIST, {"moves": list(every), "times": times | before.times})
        for source, target in track(moves, len(moves), "moving files"):
            _rename(self.folder / source, self.place / target)
        return len(moves)

    def undo(self) -> Undone:
        """Moves every file back and gives the people's folders their times of before.

        Where several were moved from one place, the first goes back there, the others beside it under
        the numbered names that they have in the quarantine.

        Raises:
            DataError: there is nothing to undo, the list names places outside of both folders, or files stand in
                the way, one line each; nothing is moved.
            RunError: a move failed; what is left can still be undone.
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
        """Refuses, before anything is moved, what would fail.

        Raises:
            DataError: the quarantine can't be written to, or one of the suspects' folders; a line for each.
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
        """Refuse a list, which may come from anywhere, that leads out of the two folders, by its names or by links.

        Raises:
            DataError: it does; nothing is moved.
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
        """(path in the folder, path in the quarantine), each once, no target there already."""
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
        """For each path in the quarantine the path in the folder, no two the same."""
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
        """Removes the list and the folders that are empty now; what somebody else put there stays."""
        for name in (LIST, f".{LIST}.partial"):
            (self.place / name).unlink(missing_ok=True)
        for folder in (*{(self.place / target).parent for _, target in stored.moves}, self.place):
            with contextlib.suppress(OSError):
                folder.rmdir()


class Undone(NamedTuple):
    """What an undo did.

    Attributes:
        moved: how many files came back.
        gone: where those were that are in neither place any more.
        renamed: those that came back under a numbered name, because another of theirs stands where they were.
    """

    moved: int
    gone: list[Path]
    renamed: list[Path]


class _Stored(NamedTuple):
    """The list: what was to be moved where, and the times of the people's folders before, in nanoseconds."""

    moves: list[tuple[str, str]]
    times: dict[str, int]


def _within(top: Path, name: str, depth: int) -> bool:
    """Tell whether a name has so many parts below a folder, and no link on its way leads out of the folder."""
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
