"""Identification of templates among a gallery of templates (1:N), as for IJB-B and IJB-C."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from finetune.arrays import Doubles, Floats, Labels
from finetune.brief import Brief
from finetune.identification.closed_set import CMC, cumulative_match, ranks
from finetune.identification.error_curves import ErrorCurve
from finetune.identification.operating_rates import OperatingRates, Probes, identification_curve, tpir_at
from finetune.words import counted

RANKS = (1, 5, 10)
FPIRS = (0.01, 0.1)
"""Ranks and false positive identification rates that IJB's evaluations report."""
AT_ONCE = 1024
"""Probes whose scores are in memory at once."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TemplateIdentification(Brief):
    """Figures of templates that are searched for in a gallery.

    Attributes:
        cmc: closed-set rates of the mated probes up to rank 10; None without such probes.
        rates: TPIR at the FPIRs of `FPIRS` that the non-mated probes can promise.
        curve: FPIR and FNIR at every threshold; None without mated or without non-mated probes.
        n_gallery: number of enrolled people.
        n_mated, n_non_mated: numbers of probes whose person is enrolled, and is not.
    """

    cmc: CMC | None
    rates: tuple[OperatingRates, ...]
    curve: ErrorCurve | None
    n_gallery: int
    n_mated: int
    n_non_mated: int

    def lines(self) -> list[str]:
        """Return the figures, one per line."""
        probes = f"{counted(self.n_mated, 'mated probe')} and {self.n_non_mated} non-mated"
        lines = [f"{counted(self.n_gallery, 'person')} enrolled; {probes}"]
        if self.cmc is not None:
            lines += [f"Identification rate at rank {rank}: {self.cmc.at(rank)}" for rank in RANKS]
        return lines + [f"TPIR @ FPIR={at.target:g}: {at.tpir}" for at in self.rates]

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, ready for `json.dump`."""
        return {
            "cmc": self.cmc.to_json() if self.cmc else None,
            "rates": [at.to_json() for at in self.rates],
            "curve": self.curve.to_json("fpir", "fnir") if self.curve else None,
            "n_gallery": self.n_gallery,
            "n_mated": self.n_mated,
            "n_non_mated": self.n_non_mated,
        }


def identify_templates(
    gallery: Floats, gallery_subjects: Sequence[str], probes: Floats, probe_subjects: Sequence[str]
) -> TemplateIdentification:
    """Search for each probe among the gallery's people. The score is the cosine similarity of the templates.

    A person with several templates in the gallery has the score of the most similar one. The thresholds are
    conservative (see `tpir_at`), where published evaluations take them from the sample.

    Args:
        gallery: unit embeddings of the enrolled templates, [g, E], g >= 1.
        gallery_subjects: subject of each enrolled template, [g].
        probes: unit embeddings of the probes, [p, E].
        probe_subjects: subject of each probe, [p]. Probes of subjects who are not enrolled are non-mated.
    """
    people, enrolled = np.unique(np.asarray(gallery_subjects), return_inverse=True)
    columns = {person: column for column, person in enumerate(people.tolist())}
    _, subjects = np.unique(np.asarray(probe_subjects), return_inverse=True)
    own = np.array([columns.get(subject, -1) for subject in probe_subjects], np.int64)
    best, rank = _search(np.asarray(gallery, np.float64), enrolled, np.asarray(probes, np.float64), own)
    mated = own >= 0
    found = Probes(best[mated], rank[mated] == 1, subjects[mated], best[~mated], subjects[~mated])
    open_set = bool(mated.any() and (~mated).any())
    return TemplateIdentification(
        cumulative_match(rank[mated], max(RANKS), subjects[mated]) if mated.any() else None,
        tuple(tpir_at(found, FPIRS)) if open_set else (),
        identification_curve(found) if open_set else None,
        len(people),
        int(mated.sum()),
        int((~mated).sum()),
    )


def _search(gallery: Doubles, enrolled: Labels, probes: Doubles, own: Labels) -> tuple[Doubles, Labels]:
    """Return each probe's highest score and the rank of its own person; the rank is 0 for a non-mated probe."""
    order = np.argsort(enrolled, kind="stable")
    starts = np.flatnonzero(np.diff(enrolled[order], prepend=-1))
    best, rank = np.empty(len(probes)), np.zeros(len(probes), np.int64)
    for start in range(0, len(probes), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        scores = np.maximum.reduceat(probes[block] @ gallery[order].T, starts, axis=1)  # [b, g] -> [b, people]
        best[block] = scores.max(axis=1)
        rank[block] = np.where(own[block] < 0, 0, ranks(scores, own[block]))
    return best, rank
