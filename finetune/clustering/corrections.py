"""Corrections of clusters that last: who belongs together, who does not, and what they are called."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from finetune import files
from finetune.errors import DataError, Problem
from finetune.names import why_unusable

Keys = tuple[str, ...]
Step = tuple[Literal["merge", "not-same", "split", "name"], Keys, "Keys | str"]
"""One correction as it was said: its kind, the faces, and other faces or a name."""
ADVICE = "mend it, or remove it to forget all corrections"


@dataclasses.dataclass(frozen=True)
class Corrections:
    """Statements of a user about faces, each known by `DIGEST:NUMBER`, the sha256 of its photo and its number there.

    Attributes:
        together: groups of faces of one person.
        apart: pairs of groups of faces; nobody is in both.
        names: name of each named face. Faces of one name are of one person.
        steps: corrections that can be taken back, in turn.
        start: corrections before the first of these steps; None if there are no steps.
    """

    together: tuple[Keys, ...] = ()
    apart: tuple[tuple[Keys, Keys], ...] = ()
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    start: Corrections | None = None

    def merge(self, one: Iterable[str], other: Iterable[str]) -> Corrections:
        """Return the corrections with two groups of faces as one person."""
        return self._with(("merge", tuple(one), tuple(other)))

    def not_same(self, one: Iterable[str], other: Iterable[str]) -> Corrections:
        """Return the corrections with two groups of faces as two people."""
        return self._with(("not-same", tuple(one), tuple(other)))

    def split(self, out: Iterable[str], rest: Iterable[str]) -> Corrections:
        """Return the corrections with faces taken out of the cluster of the rest; they lose their name."""
        return self._with(("split", tuple(out), tuple(rest)))

    def name(self, faces: Iterable[str], name: str) -> Corrections:
        """Return the corrections with a name for faces, in place of any other."""
        return self._with(("name", tuple(faces), name))

    def undo(self) -> Corrections:
        """Return the corrections without the last one.

        Raises:
            DataError: there is none that can be taken back.
        """
        if self.start is None:
            raise DataError(Problem("--undo", "there is no correction to take back", "leave it out"))
        said = self.start
        for step in self.steps[:-1]:
            said = said._with(step)
        return said

    def _with(self, step: Step) -> Corrections:
        """Return the corrections with one more step."""
        kind, ones, others = step
        if kind == "name":
            said = dataclasses.replace(self, names={**self.names, **dict.fromkeys(ones, str(others))})
        elif kind == "merge":
            said = dataclasses.replace(self, together=(*self.together, tuple(sorted({*ones, *others}))))
        else:
            said = self._without(set(ones), set(others)) if kind == "split" else self
            pair = tuple(sorted(ones)), tuple(sorted(others))
            said = dataclasses.replace(said, apart=(*said.apart, pair))
        return dataclasses.replace(said, steps=(*self.steps, step), start=self.start or self)

    def _without(self, taken: set[str], staying: set[str]) -> Corrections:
        """Return the corrections without links of faces with others, and without their names."""
        groups = (
            tuple(key for key in group if key not in taken) if staying.intersection(group) else group
            for group in self.together
        )
        names = {key: name for key, name in self.names.items() if key not in taken}
        return dataclasses.replace(self, together=tuple(group for group in groups if len(group) > 1), names=names)

    def faces(self) -> set[str]:
        """Return all faces that are said to belong to somebody."""
        return {key for group in self.together for key in group} | set(self.names)

    def mentioned(self) -> set[str]:
        """Return all faces that a correction is about."""
        return self.faces() | {key for pair in self.apart for group in pair for key in group}

    def state(self) -> dict[str, Any]:
        """Return what holds now, without how it came about, as JSON's types."""
        names: dict[str, list[str]] = {}
        for key, name in sorted(self.names.items()):
            names.setdefault(name, []).append(key)
        together = [list(group) for group in self.together]
        return {"together": together, "apart": [[list(a), list(b)] for a, b in self.apart], "names": names}

    def to_json(self) -> dict[str, Any]:
        """Return the corrections as JSON's types."""
        steps = [[kind, list(ones), others if kind == "name" else list(others)] for kind, ones, others in self.steps]
        return self.state() | ({"start": self.start.state(), "steps": steps} if self.start else {})

    @classmethod
    def from_json(cls, stored: Any) -> Corrections:
        """Return the corrections that `to_json` gave.

        Steps that do not lead to what holds now are forgotten: somebody has changed the file by hand.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: they are none.
        """
        now = cls._from_state(stored)
        if "steps" not in stored:
            return now
        said = cls._from_state(stored["start"])
        for step in stored["steps"]:
            said = said._with(_step(*step))
        return said if said.state() == now.state() else now

    @classmethod
    def _from_state(cls, stored: Any) -> Corrections:
        names = {key: name for name, keys in stored["names"].items() for key in _keys(keys)}
        if any(map(why_unusable, stored["names"])):
            raise ValueError("an unusable name")
        pairs = tuple((_keys(one), _keys(other)) for one, other in stored["apart"])
        return cls(tuple(map(_keys, stored["together"])), pairs, names)


def read_corrections(path: Path) -> Corrections:
    """Read corrections; none if there is no file.

    Raises:
        DataError: the file is damaged.
    """
    if not path.exists():
        return Corrections()
    with files.reading(path, ADVICE):
        return Corrections.from_json(json.loads(files.read(path)))


def write_corrections(path: Path, corrections: Corrections) -> None:
    """Write corrections whole.

    Raises:
        RunError: the file can't be written; the previous one is intact.
    """
    files.write_json(path, corrections.to_json())


def refuse_name(name: str) -> None:
    """Refuse a name that no person can have, or that reads as the number of a cluster.

    Raises:
        DataError: the name can't be used.
    """
    problem = why_unusable(name)
    if problem:
        raise DataError(dataclasses.replace(problem, advice="give another name"))
    if name.isdecimal():
        raise DataError(Problem(name, "reads as the number of a cluster", "give another name"))


def _keys(keys: Any) -> Keys:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise TypeError("not a list of faces")
    return tuple(keys)


def _step(kind: Any, ones: Any, others: Any) -> Step:
    if kind not in ("merge", "not-same", "split", "name"):
        raise ValueError("not a correction")
    if kind == "name" and not isinstance(others, str):
        raise TypeError("not a name")
    return kind, _keys(ones), others if kind == "name" else _keys(others)
