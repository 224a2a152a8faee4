"""Which images an epoch draws, and which triplets are made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

from finetune.recipe.checks import ABOVE_0, Check, one_of, whole
from finetune.recipe.section import Section, build

Weighing = Literal["shuffled", "balanced", "square_root"]
WEIGHINGS = one_of(("shuffled", "balanced", "square_root"))
Negatives = Literal["random", "semi_hard", "hard", "bank"]
NEGATIVES = one_of(("random", "semi_hard", "hard", "bank"))


@dataclasses.dataclass(frozen=True)
class PeopleTimesImages(Section):
    """Batches of so many people with so many images each.

    Attributes:
        people: in a batch, from 2; no person is in it twice.
        images: of each, from 2. Who has fewer gives all of theirs, some of them twice.
    """

    people: Annotated[int, whole(2)]
    images: Annotated[int, whole(2)]


Sampling = Weighing | PeopleTimesImages
"""`shuffled`: each image once an epoch. `balanced`: each person as likely as any other. `square_root`: each person
with a probability in proportion to the square root of the number of their images."""


def _sampling(value: object) -> Sampling | None:
    if isinstance(value, PeopleTimesImages):
        return value
    if isinstance(value, Mapping):
        return build(PeopleTimesImages, value)
    weighing: Weighing | None = WEIGHINGS.read(value)
    return weighing


SAMPLING = Check(f"{WEIGHINGS.wants}, or {{people: 18, images: 5}}", _sampling)


@dataclasses.dataclass(frozen=True)
class Mining(Section):
    """How the negatives of triplets are found.

    Attributes:
        negatives: `random`: any image of another person. `semi_hard`: within a batch, for each pair of one person
            the nearest that is farther than the positive (Schroff et al. 2015). `hard`: within a batch, for each anchor
            its farthest positive and its nearest negative (Hermans et al. 2017). `bank`: of so many `candidates`, drawn
            from the whole dataset, the nearest by the embeddings that each image had when it was last used.
        then: what takes over once the loss has settled; None: nothing.
        candidates: of `bank`, from 1.
        tolerance: the loss has settled where two epochs improve on the two before by less than this share.
    """

    negatives: Annotated[Negatives, NEGATIVES]
    then: Annotated[Negatives | None, dataclasses.replace(NEGATIVES, optional=True)] = None
    candidates: Annotated[int, whole(1)] = 100
    tolerance: Annotated[float, ABOVE_0] = 0.05

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


def _mining(value: object) -> Mining | None:
    if isinstance(value, Mining):
        return value
    if isinstance(value, str):
        return Mining(NEGATIVES(value))
    return build(Mining, value) if isinstance(value, Mapping) else None


MINING = Check(f"{NEGATIVES.wants}, or {{negatives: random, then: bank}}", _mining)
