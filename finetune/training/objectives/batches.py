"""Sampling of images for an epoch, and mining of the negatives of triplets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from finetune.schema import Above0, From1, Range, Section, Wants, read, wants

Weighing = Literal["shuffled", "balanced", "square_root"]
Negatives = Literal["random", "semi_hard", "hard", "bank"]
From2 = Annotated[int, Range(ge=2, of="a whole number")]


class PeopleTimesImages(Section):
    """Batches with a fixed number of people and a fixed number of images per person."""

    people: From2
    """Number of people per batch, from 2. No person is in it twice."""
    images: From2
    """Number of images per person, from 2. People who have fewer give all of theirs, some of them twice."""


Sampling = Annotated[Weighing | PeopleTimesImages, Wants(f"{wants(Weighing)}, or {{people: 18, images: 5}}")]


class Mining(Section):
    """Selection of the negatives of triplets."""

    negatives: Negatives
    """`random`: any image of another person. `semi_hard`: for each positive pair in the batch, the nearest negative
    that is farther than the positive (Schroff et al. 2015). `hard`: for each anchor in the batch, its farthest positive
    and its nearest negative (Hermans et al. 2017). `bank`: the nearest of `candidates` images drawn from the whole
    dataset. It compares the embeddings that the images had when they were last used."""
    then: Negatives | None = None
    """Negatives after the loss has settled. Default: no change."""
    candidates: From1 = 100
    """Number of images that `bank` chooses from, from 1."""
    tolerance: Above0 = 0.05
    """Relative improvement, of two epochs on the two before, below which the loss has settled."""

    @property
    def used(self) -> tuple[Negatives, ...]:
        """Kinds of negatives, in order."""
        return (self.negatives, self.then) if self.then else (self.negatives,)

    @property
    def uses_bank(self) -> bool:
        """True if embeddings of all images are kept."""
        return "bank" in self.used

    @property
    def in_batch(self) -> bool:
        """True if some triplets are mined within batches of people times images."""
        return bool({"semi_hard", "hard"} & set(self.used))


RANDOM = Mining(negatives="random")
"""Mining of a triplet loss whose recipe gives none."""


def _by_negatives(value: object) -> Any:
    return (read(value, Negatives) and {"negatives": value}) if isinstance(value, str) else value


AnyMining = Annotated[
    Mining,
    BeforeValidator(_by_negatives, Negatives | Mining),
    Wants(f"{wants(Negatives)}, or {{negatives: random, then: bank}}"),
]
