"""Which images an epoch draws, and which triplets are made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from finetune.schema import Above0, From1, Range, Section, Wants, read, wants

Weighing = Literal["shuffled", "balanced", "square_root"]
Negatives = Literal["random", "semi_hard", "hard", "bank"]
From2 = Annotated[int, Range(ge=2, of="a whole number")]


class PeopleTimesImages(Section):
    """Batches of so many people with so many images each."""

    people: From2
    """Number of people per batch, from 2; no person is in it twice."""
    images: From2
    """Number of images per person, from 2. People who have fewer give all of theirs, some of them twice."""


Sampling = Annotated[Weighing | PeopleTimesImages, Wants(f"{wants(Weighing)}, or {{people: 18, images: 5}}")]


class Mining(Section):
    """How the negatives of triplets are found."""

    negatives: Negatives
    """`random`: any image of another person. `semi_hard`: within a batch, for each pair of one person the nearest that
    is farther than the positive (Schroff et al. 2015). `hard`: within a batch, for each anchor its farthest positive
    and its nearest negative (Hermans et al. 2017). `bank`: of so many `candidates`, drawn from the whole dataset, the
    nearest by the embeddings that each image had when it was last used."""
    then: Negatives | None = None
    """What takes over once the loss has settled. Default: nothing."""
    candidates: From1 = 100
    """Number of images that `bank` chooses from, from 1."""
    tolerance: Above0 = 0.05
    """The loss has settled where two epochs improve on the two before by less than this share."""

    @property
    def used(self) -> tuple[Negatives, ...]:
        """The kinds of negatives, in order."""
        return (self.negatives, self.then) if self.then else (self.negatives,)

    @property
    def uses_bank(self) -> bool:
        """Whether embeddings of all images are kept."""
        return "bank" in self.used

    @property
    def in_batch(self) -> bool:
        """Whether some triplets are made within batches of people times images."""
        return bool({"semi_hard", "hard"} & set(self.used))


RANDOM = Mining(negatives="random")
"""The mining of a triplet loss for which the recipe names none."""


def _by_negatives(value: object) -> Any:
    return (read(value, Negatives) and {"negatives": value}) if isinstance(value, str) else value


AnyMining = Annotated[
    Mining,
    BeforeValidator(_by_negatives, Negatives | Mining),
    Wants(f"{wants(Negatives)}, or {{negatives: random, then: bank}}"),
]
