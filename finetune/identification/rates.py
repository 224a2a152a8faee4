"""Open-set identification: a face is one of the enrolled people, or none of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, class_sums, unit_rows
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.identification.search import nearest
from finetune.verification import decisions, digits
from finetune.words import counted


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class OpenSet(Brief):
    """Result of an open-set identification.

    Attributes:
        dir: detection and identification rate: share of probes that are named correctly, with a score above the
            threshold.
        far: share of strangers with a score above the threshold; at most `far_target`.
        far_target: requested false accept rate.
        threshold: cosine similarity.
        rank1: share of probes that are named correctly, whatever their score.
        n_probes, n_strangers: numbers of images.
        correct: bool [n_probes], True where the probe is named correctly, whatever its score.
        notes: remarks to show beside the figures.
    """

    dir: float
    far: float
    far_target: float
    threshold: float
    rank1: float
    n_probes: int
    n_strangers: int
    correct: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; `correct` becomes a string of 0 and 1."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"correct": digits(self.correct), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> OpenSet:
        """Build the result from the fields that `to_json` returned."""
        return cls(**{**stored, "correct": decisions(stored["correct"]), "notes": tuple(stored["notes"])})


def open_set(
    gallery: Floats,
    gallery_labels: Labels,
    probes: Floats,
    probe_labels: Labels,
    strangers: Floats,
    far: float = 0.01,
) -> OpenSet:
    """Name each probe after the most similar person, and reject it unless its score exceeds a threshold.

    A person is the mean of their embeddings, scaled to unit length. The score is the cosine similarity to this mean.
    At most ⌊far * strangers⌋ strangers score above the threshold: it is the score of the next stranger (Phillips,
    Grother and Micheals 2011, "Evaluation methods in face recognition").

    Args:
        gallery: unit embeddings [g, E] of the enrolled people.
        gallery_labels: int64 [g], from 0.
        probes: unit embeddings [p, E] of other images of the enrolled people, p >= 1.
        probe_labels: int64 [p].
        strangers: unit embeddings [s, E] of images of other people, s >= 1.
        far: false accept rate, 0 <= far < 1.

    Raises:
        DataError: there is no probe, or no stranger.
    """
    if not len(probes) or not len(strangers):
        raise DataError(
            Problem(
                "identification",
                f"found {counted(len(probes), 'probe')} and {counted(len(strangers), 'stranger')}",
                "give one of each",
            )
        )
    means = unit_class_means(gallery, gallery_labels)
    named = nearest(means, probes)
    scores = named.similarities[:, 0]
    false_scores = np.sort(nearest(means, strangers).similarities[:, 0])[::-1]
    allowed = math.floor(far * len(strangers) + 1e-9)
    threshold = float(false_scores[allowed])
    people = np.unique(gallery_labels)
    correct = people[named.rows[:, 0]] == probe_labels
    notes = () if allowed else (f"{len(strangers)} strangers can't show a FAR of {far:g}: none of them is accepted",)
    return OpenSet(
        dir=float(np.mean(correct & (scores > threshold))),
        far=float(np.mean(false_scores > threshold)),
        far_target=far,
        threshold=threshold,
        rank1=float(np.mean(correct)),
        n_probes=len(probes),
        n_strangers=len(strangers),
        correct=correct,
        notes=notes,
    )


def unit_class_means(embeddings: Floats, labels: Labels) -> Floats:
    """Return the mean of each person's embeddings [n, E], scaled to unit length: [people, E], ordered by label."""
    people, places = np.unique(labels, return_inverse=True)
    return unit_rows(class_sums(embeddings, places, len(people))).astype(embeddings.dtype)
