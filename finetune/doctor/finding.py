"""Findings about a dataset, and their kinds by stable names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finetune.quality import DEFECTS

KINDS = {
    "misplaced": "what lies beside people's images, and what has a name that can't be printed",
    "empty": "files of no bytes",
    "not-image": "files that are not images",
    "unreadable": "images that are damaged, cut short, too large, or can't be opened",
    "too-small": "images smaller than the crop",
    "unaligned": "images that are not square, or much larger than an aligned face: photos are cut by finetune align",
    "enlarged": "crops of faces less than a quarter of their size: too few pixels to know anybody by",
    "blurred": f"faces out of focus, in motion, or enlarged: {DEFECTS['blurred']}",
    "tiny": f"faces with hardly any detail: {DEFECTS['tiny']}",
    "dark": f"faces in too little light: {DEFECTS['dark']}",
    "overexposed": f"faces in too much light: {DEFECTS['overexposed']}",
    "profile": f"faces {DEFECTS['profile']} (needs the journal of finetune align)",
    "copy-within": "copies within a person's folder: the same bytes or the same pixels",
    "copy-across": "copies under two people",
    "near-copy-within": "one picture twice within a person's folder: saved again, resized, cropped a little",
    "near-copy-across": "one picture under two people",
    "few-images": "people with fewer usable images than asked for",
    "no-images": "people without a usable image",
    "mislabelled": "faces far from their person and nearer to another (needs a checkpoint)",
    "same-name": "one name in two spellings: other case, other Unicode form, other signs between the words",
    "same-person": "two folders that are one person",
    "lfw-name": "people of the LFW pairs, by name",
    "lfw-image": "pictures of the LFW pairs",
    "lfw-face": "people of the LFW pairs under another name, by face (needs a checkpoint)",
}
"""Every kind of finding with its description, in the order of the report."""


@dataclass(frozen=True)
class Finding:
    """Finding about one file or folder.

    Attributes:
        kind: key of `KINDS`.
        path: suspect file, or suspect person's folder.
        reason: reason, in words that follow the path.
        other: file or folder that the suspect is compared with.
        score: severity within the kind; larger is worse.
        moves: True if `--fix` moves the file.
    """

    kind: str
    path: Path
    reason: str
    other: Path | None = None
    score: float = 0.0
    moves: bool = False


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of their kinds, the worst of each kind first."""
    order = list(KINDS)
    return tuple(sorted(findings, key=lambda finding: (order.index(finding.kind), -finding.score, finding.path)))
