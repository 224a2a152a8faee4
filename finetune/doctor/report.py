"""What the doctor found, as lines, as a table's rows and as JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.brief import Brief
from finetune.doctor.finding import KINDS, Finding
from finetune.paths import in_one_line
from finetune.words import counted


@dataclasses.dataclass(frozen=True, repr=False)
class Report(Brief):
    """A dataset and what is wrong with it.

    Attributes:
        folder: that was read.
        people: how many folders of people it holds.
        files: how many files lie in them.
        images: how many of these are images that can be read.
        findings: by kind in the order of `KINDS`, the worst of a kind first.
        notes: what was not looked for, and why; a sentence each.
        settings: what it was done with, and the thresholds that the data gave.
    """

    folder: Path
    people: int
    files: int
    images: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many findings there are of each kind of which there are any."""
        found = [finding.kind for finding in self.findings]
        return {kind: found.count(kind) for kind in KINDS if kind in found}

    def worst(self) -> dict[str, Finding]:
        """The first finding of each kind of which there are any."""
        first: dict[str, Finding] = {}
        for finding in self.findings:
            first.setdefault(finding.kind, finding)
        return first

    def suspects(self) -> list[Path]:
        """The files that `--fix` moves, each once, sorted."""
        return sorted({finding.path for finding in self.findings if finding.moves})

    def summary(self) -> list[str]:
        """A line on the whole, one a kind with its worst case, and the notes."""
        first = self.worst()
        unread = counted(self.files - self.images, "file")
        said = f"{counted(self.images, 'image')} of {counted(self.people, 'person')}, {unread} that can't be read"
        lines = [f"{said}; {len(self.findings)} findings"]
        lines += [f"{kind}: {count}; {self.line(first[kind])}" for kind, count in self.counts().items()]
        return [*lines, *self.notes]

    def line(self, finding: Finding) -> str:
        """A finding as one line: `PERSON/FILE: reason`."""
        return f"{self.name(finding.path)}: {finding.reason}"

    def name(self, path: Path) -> str:
        """A path within the folder, or another as it is."""
        within = path.is_relative_to(self.folder)
        return in_one_line(path.relative_to(self.folder).as_posix() if within else os.fspath(path))

    def to_json(self) -> dict[str, Any]:
        """Everything, in JSON's types."""
        return {
            "folder": in_one_line(self.folder),
            "people": self.people,
            "files": self.files,
            "images": self.images,
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "counts": self.counts(),
            "findings": [
                {
                    "kind": finding.kind,
                    "path": self.name(finding.path),
                    "reason": finding.reason,
                    "other": None if finding.other is None else self.name(finding.other),
                    "score": round(finding.score, 6),
                    "moves": finding.moves,
                }
                for finding in self.findings
            ],
        }
