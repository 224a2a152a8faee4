"""Groups of the people in pairs, as numbers without names."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief

Indices = npt.NDArray[np.intp]
UNKNOWN = -1
"""Number of the group of people whose group is not known."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Column(Brief):
    """Division of people into groups, such as by age.

    Attributes:
        name: heading of the column in the file of groups.
        groups: names of the groups, sorted.
        of: number of each person's group, int [people]; -1 for people whose group is not known.
    """

    name: str
    groups: tuple[str, ...]
    of: Indices


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PairGroups(Brief):
    """Groups of the people in some pairs. People have numbers here, and no names.

    Attributes:
        first, second: number of the person in each pair's images, from 0, int [n].
        columns: divisions of these people into groups.
    """

    first: Indices
    second: Indices
    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, ready for `json.dump`."""
        columns = [{"name": c.name, "groups": list(c.groups), "of": c.of.tolist()} for c in self.columns]
        return {"first": self.first.tolist(), "second": self.second.tolist(), "columns": columns}

    @property
    def sha256(self) -> str:
        """Digest of the groups of all pairs."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> PairGroups:
        """Return the groups that `to_json` wrote."""
        columns = (Column(c["name"], tuple(c["groups"]), np.array(c["of"], np.intp)) for c in stored["columns"])
        first, second = (np.array(stored[name], np.intp) for name in ("first", "second"))
        return cls(first, second, tuple(columns))
