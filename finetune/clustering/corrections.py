"""Corrections of clusters that last: who belongs together, who does not, and what they are called."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finetune import files
from finetune.errors import DataError, Problem
from finetune.names import why_unusable

Keys = tuple[str, ...]
ADVICE = "mend it, or remove it to forget all corrections"


@dataclasses.dataclass(frozen=True)
class Corrections:
    """Statements of a user about faces, each known by `DIGEST:NUMBER`, the sha256 of its photo and its number there.

    Attributes:
        together: groups of faces of one person.
        apart: pairs of groups of faces; nobody is in both.
        names: name of each named face. Faces of one name are of one person.
    """

    together: tuple[Keys, ...] = ()
    apart: tuple[tuple[Keys, Keys], ...] = ()
    names: dict[str, str] = dataclasses.field(default_factory=dict)

    def merge(self, one: Iterable[str], other: Iterable[str]) -> Corrections:
        """Return the corrections with two groups of faces as one person."""
        return dataclasses.replace(self, together=(*self.together, tuple(sorted({*one, *other}))))

    def not_same(self, one: Iterable[str], other: Iterable[str]) -> Corrections:
        """Return the corrections with two groups of faces as two people."""
        return dataclasses.replace(self, apart=(*self.apart, (tuple(sorted(one)), tuple(sorted(other)))))

    def split(self, out: Sequence[str], rest: Sequence[str]) -> Corrections:
        """Return the corrections with faces taken out of the cluster of the rest; they lose their name."""
        taken, staying = set(out), set(rest)
        groups = (
            tuple(key for key in group if key not in taken) if staying.intersection(group) else group
            for group in self.together
        )
        names = {key: name for key, name in self.names.items() if key not in taken}
        together = tuple(group for group in groups if len(group) > 1)
        return dataclasses.replace(self, together=together, names=names).not_same(out, rest)

    def name(self, faces: Iterable[str], name: str) -> Corrections:
        """Return the corrections with a name for faces, in place of any other."""
        return dataclasses.replace(self, names={**self.names, **dict.fromkeys(faces, name)})

    def faces(self) -> set[str]:
        """Return all faces that are said to belong to somebody."""
        return {key for group in self.together for key in group} | set(self.names)

    def mentioned(self) -> set[str]:
        """Return all faces that a correction is about."""
        return self.faces() | {key for pair in self.apart for group in pair for key in group}

    def to_json(self) -> dict[str, Any]:
        """Return the corrections as JSON's types."""
        names: dict[str, list[str]] = {}
        for key, name in sorted(self.names.items()):
            names.setdefault(name, []).append(key)
        together = [list(group) for group in self.together]
        return {"together": together, "apart": [[list(a), list(b)] for a, b in self.apart], "names": names}

    @classmethod
    def from_json(cls, stored: Any) -> Corrections:
        """Return the corrections that `to_json` gave.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: they are none.
        """
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
