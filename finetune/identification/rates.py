"""Open-set identification: who of the enrolled people a face is, or nobody of them."""

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
    """What open-set identification gives.

    Attributes:
        dir: detection and identification rate: share of the probes that are named rightly, above the threshold.
        far: share of the strangers above it, at most `far_target`.
        far_target: the false accept rate that was asked for.
        threshold: a cosine similarity.
        rank1: share of the probes that are named rightly, whatever their score.
        n_probes, n_strangers: how many there were.
        correct: bool [n_probes], whether each is named rightly, whatever its score.
        notes: what to say beside the figures.
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
        """The fields by name; `correct` is a text of 0 and 1."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"correct": digits(self.correct), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> OpenSet:
        """What `to_json` gave `stored`."""
        return cls(**{**stored, "correct": decisions(stored["correct"]), "notes": tuple(stored["notes"])})


def open_set(
    gallery: Floats,
    gallery_labels: Labels,
    probes: Floats,
    probe_labels: Labels,
    strangers: Floats,
    far: float = 0.01,
) -> OpenSet:
    """Names each probe by the most similar person, and rejects it below a threshold that few strangers reach.

    A person is the mean of their embeddings, brought to unit length; the score is the cosine similarity to it. At most
    ⌊far * strangers⌋ of the strangers have a score above the threshold, which is the score of the next one (Phillips,
    Grother and Micheals 2011, "Evaluation methods in face recognition").

    Args:
        gallery: unit embeddings [g, E] of the enrolled people.
        gallery_labels: int64 [g], from 0.
        probes: [p, E], other images of theirs, p from 1.
        probe_labels: int64 [p].
        strangers: [s, E], images of others, s from 1.
        far: false accept rate, from 0, below 1.

    Raises:
        DataError: no probe, or no stranger.
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
    """Return the mean of each person's embeddings [n, E], of unit length, in the order of labels: [people, E]."""
    people, places = np.unique(labels, return_inverse=True)
    return unit_rows(class_sums(embeddings, places, len(people))).astype(embeddings.dtype)
