"""Report of the doctor's findings, as lines and as JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.brief import Brief
from finetune.doctor.finding import KINDS, Finding
from finetune.paths import in_one_line
from finetune.quality import Quality, quality_table
from finetune.words import counted


@dataclasses.dataclass(frozen=True, repr=False)
class Report(Brief):
    """Report of an examined dataset.

    Attributes:
        folder: folder that was examined.
        people: number of people's folders in it.
        files: number of files in these folders.
        images: number of files that are readable images.
        findings: findings by kind, in the order of `KINDS`, the worst of each kind first.
        notes: remarks on what was not checked or moved, and why; one sentence each.
        settings: settings of the examination, and the thresholds estimated from the data.
        qualities: quality of each face that was judged, by the file's path.
    """

    folder: Path
    people: int
    files: int
    images: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    qualities: Mapping[Path, Quality] = dataclasses.field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind that was found."""
        found = [finding.kind for finding in self.findings]
        return {kind: found.count(kind) for kind in KINDS if kind in found}

    def worst(self) -> dict[str, Finding]:
        """Return the first finding of each kind that was found."""
        first: dict[str, Finding] = {}
        for finding in self.findings:
            first.setdefault(finding.kind, finding)
        return first

    def suspects(self) -> list[Path]:
        """Return the files that `--fix` moves, sorted, without duplicates."""
        return sorted({finding.path for finding in self.findings if finding.moves})

    def summary(self) -> list[str]:
        """Return a line with the totals, one line per kind with its worst case, and the notes."""
        first = self.worst()
        unread = counted(self.files - self.images, "file")
        said = f"{counted(self.images, 'image')} of {counted(self.people, 'person')}, {unread} that can't be read"
        lines = [f"{said}; {len(self.findings)} findings"]
        lines += [f"{kind}: {count}; {self.line(first[kind])}" for kind, count in self.counts().items()]
        return [*lines, *self.notes]

    def line(self, finding: Finding) -> str:
        """Return a finding as one line: `PERSON/FILE: reason`."""
        return f"{self.name(finding.path)}: {finding.reason}"

    def name(self, path: Path) -> str:
        """Return a path relative to the folder, or unchanged if it is outside."""
        within = path.is_relative_to(self.folder)
        return in_one_line(path.relative_to(self.folder).as_posix() if within else os.fspath(path))

    def to_csv(self) -> str:
        """Return the measures of each face that was judged, one line per file, the worst first."""
        return quality_table({self.name(path): quality for path, quality in self.qualities.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the whole report in JSON's types."""
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
