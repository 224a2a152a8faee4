"""Sampler of a stage: it draws each epoch, counts the draws, and keeps the bank of embeddings for hard negatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import unit_rows
from finetune.dataset import Drawing
from finetune.recipe import Stage
from finetune.training import settled
from finetune.training.objectives import RANDOM, Mining, Negatives, PeopleTimesImages
from finetune.training.sampling import draws as sampling

POWERS = {"balanced": 0.0, "square_root": 0.5}


class Epoch(NamedTuple):
    """Images of an epoch.

    Attributes:
        number: number of the epoch within the stage, from 1.
        order: rows of the training images, int64 [n].
        batch_size: number of images per batch; the last batch holds the rest.
        negatives: selection of the negatives of a triplet loss.
    """

    number: int
    order: npt.NDArray[np.int64]
    batch_size: int
    negatives: Negatives

    @property
    def n_batches(self) -> int:
        """Number of training steps."""
        return -(-len(self.order) // self.batch_size)


class Sampler:
    """Sampler of the epochs of one stage, which are the same for the same seed, stage and number.

    Args:
        stage: stage with its loss, sampling and mining. `refuse_unmet` must have accepted it.
        labels: people of the training images, int64 [n].
        batch_size: batch size of the recipe.
        seed, number: seed of the run, and number of the stage.
        embeddings: function that gives the embeddings of all training images with the stage's first weights, float32
            [n, E]. It is called only if negatives come from a bank.
        share: share of the images that an epoch draws, above 0, at most 1; a stage's `steps_per_epoch` goes before it.

    Attributes:
        drawn: number of draws of each training image, int64 [n].
        bank: embedding that each image had when it was last used, float32 [n, E]; None without a bank.
    """

    def __init__(
        self,
        stage: Stage,
        labels: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        number: int,
        embeddings: Callable[[], npt.NDArray[np.float32]] | None = None,
        share: float | None = None,
    ) -> None:
        self._stage, self._labels, self._batch_size = stage, labels, batch_size
        self._seed, self._number = seed, number
        self._share = Fraction(str(share or 1))  # the decimal value counts: in binary, 0.07 of 100 is above 7
        self._mining = (stage.mining or RANDOM) if stage.loss.mined else None
        self.drawn = np.zeros(len(labels), np.int64)
        self.bank = np.array(embeddings()) if embeddings and self._mining and self._mining.uses_bank else None

    def epoch(self, number: int, losses: Sequence[float] = ()) -> Epoch:
        """Draw the images of an epoch.

        Args:
            number: number of the epoch, from 1.
            losses: triplet losses of the earlier epochs. Mining changes once they have settled.
        """
        stage, labels = self._stage, self._labels
        generator = Drawing(self._seed, self._number, number).generator()
        if self._mining is None:
            if isinstance(stage.sampling, PeopleTimesImages):
                return self._grouped(number, stage.sampling, generator, "random")
            count = self._count(len(labels), self._batch_size)
            if stage.sampling == "shuffled":
                order = self._in_turn(np.arange(len(labels)), count, number, generator)
            else:
                order = sampling.weighted(labels, POWERS[stage.sampling], generator, count)
            return Epoch(number, order, self._batch_size, "random")
        negatives = self._negatives(self._mining, losses)
        if negatives in ("hard", "semi_hard") and isinstance(stage.sampling, PeopleTimesImages):
            return self._grouped(number, stage.sampling, generator, negatives)
        bank = self.bank if negatives == "bank" else None
        able, size = sampling.anchors_of(labels), max(1, self._batch_size // 3)
        anchors = self._in_turn(able, self._count(len(able), size), number, generator)
        candidates = self._mining.candidates if bank is not None else 1
        triplets = sampling.triplets(labels, generator, bank, candidates, anchors)
        return Epoch(number, triplets.ravel(), size * 3, negatives)

    def used(self, rows: npt.NDArray[np.int64], prelogits: Callable[[], npt.NDArray[np.float32]]) -> None:
        """Count the draws of images, and store their embeddings in the bank if there is one.

        Args:
            rows: rows of the images, int64 [b].
            prelogits: function that gives their prelogits, [b, E].
        """
        np.add.at(self.drawn, rows, 1)
        if self.bank is not None:
            self.bank[rows] = unit_rows(prelogits(), 1e-10)

    def state(self) -> dict[str, np.ndarray]:
        """Return what changes from epoch to epoch, for an exact resume."""
        return {"drawn": self.drawn} | ({} if self.bank is None else {"bank": self.bank})

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state to a result of `state`."""
        self.drawn = state["drawn"].copy()
        if self.bank is not None:
            self.bank = state["bank"].copy()

    def _grouped(
        self, number: int, groups: PeopleTimesImages, generator: np.random.Generator, negatives: Negatives
    ) -> Epoch:
        size = groups.people * groups.images
        n_batches = self._stage.steps_per_epoch or max(1, round(len(self._labels) * self._share / size))
        order = sampling.people_times_images(self._labels, groups.people, groups.images, generator, n_batches)
        return Epoch(number, order, size, negatives)

    def _count(self, n: int, batch_size: int) -> int:
        """Return the number of draws of an epoch from `n` images, or from `n` anchors, in batches of this size."""
        steps = self._stage.steps_per_epoch
        return steps * batch_size if steps else math.ceil(n * self._share)

    def _in_turn(
        self, items: npt.NDArray[np.int64], count: int, number: int, generator: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        def rounds(turn: int) -> np.random.Generator:
            return np.random.default_rng([self._seed, self._number, 0, turn])  # no epoch has the number 0

        return sampling.in_turn(items, count, number, generator, rounds)

    @staticmethod
    def _negatives(mining: Mining, losses: Sequence[float]) -> Negatives:
        if mining.then and any(settled(losses[:stop], mining.tolerance) for stop in range(len(losses) + 1)):
            return mining.then
        return mining.negatives
