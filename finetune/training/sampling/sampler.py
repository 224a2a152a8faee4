"""What each epoch of a stage draws, how often each image was drawn, and the bank that hard negatives come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """An epoch's images.

    Attributes:
        number: from 1 within the stage.
        order: int64 [n], rows of the training images.
        batch_size: images in a batch; the last one holds what remains.
        negatives: how a triplet loss finds them.
    """

    number: int
    order: npt.NDArray[np.int64]
    batch_size: int
    negatives: Negatives

    @property
    def n_batches(self) -> int:
        """Training steps."""
        return -(-len(self.order) // self.batch_size)


class Sampler:
    """Draws the epochs of one stage, the same for the same seed, stage and number.

    Args:
        stage: its loss, sampling and mining, whose needs `refuse_unmet` has found met.
        labels: int64 [n] of the training images.
        batch_size: the recipe's.
        seed, number: of the run and of the stage.
        embeddings: gives those of all training images by the stage's first weights, float32 [n, E]; asked for where
            negatives come from a bank.

    Attributes:
        drawn: how often each training image was drawn, int64 [n].
        bank: of each image the embedding that it had when it was last used, float32 [n, E]; None where no negatives
            come from it.
    """

    def __init__(
        self,
        stage: Stage,
        labels: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        number: int,
        embeddings: Callable[[], npt.NDArray[np.float32]] | None = None,
    ) -> None:
        self._stage, self._labels, self._batch_size = stage, labels, batch_size
        self._seed, self._number = seed, number
        self._mining = (stage.mining or RANDOM) if stage.loss.mined else None
        self.drawn = np.zeros(len(labels), np.int64)
        self.bank = np.array(embeddings()) if embeddings and self._mining and self._mining.uses_bank else None

    def epoch(self, number: int, losses: Sequence[float] = ()) -> Epoch:
        """An epoch's images.

        Args:
            number: from 1.
            losses: the triplet losses of the epochs before it: mining changes once they have settled.
        """
        stage, labels = self._stage, self._labels
        generator = Drawing(self._seed, self._number, number).generator()
        if self._mining is None:
            if isinstance(stage.sampling, PeopleTimesImages):
                return self._grouped(number, stage.sampling, generator, "random")
            if stage.sampling == "shuffled":
                order = generator.permutation(len(labels))
            else:
                order = sampling.weighted(labels, POWERS[stage.sampling], generator)
            return Epoch(number, order, self._batch_size, "random")
        negatives = self._negatives(self._mining, losses)
        if negatives in ("hard", "semi_hard") and isinstance(stage.sampling, PeopleTimesImages):
            return self._grouped(number, stage.sampling, generator, negatives)
        bank = self.bank if negatives == "bank" else None
        triplets = sampling.triplets(labels, generator, bank, self._mining.candidates if bank is not None else 1)
        return Epoch(number, triplets.ravel(), max(1, self._batch_size // 3) * 3, negatives)

    def used(self, rows: npt.NDArray[np.int64], prelogits: Callable[[], npt.NDArray[np.float32]]) -> None:
        """Notes that images were drawn, and takes their prelogits [b, E] into the bank where there is one."""
        np.add.at(self.drawn, rows, 1)
        if self.bank is not None:
            self.bank[rows] = unit_rows(prelogits(), 1e-10)

    def state(self) -> dict[str, np.ndarray]:
        """What changes from epoch to epoch, for an exact resume."""
        return {"drawn": self.drawn} | ({} if self.bank is None else {"bank": self.bank})

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Sets what `state` gave."""
        self.drawn = state["drawn"].copy()
        if self.bank is not None:
            self.bank = state["bank"].copy()

    def _grouped(
        self, number: int, groups: PeopleTimesImages, generator: np.random.Generator, negatives: Negatives
    ) -> Epoch:
        order = sampling.people_times_images(self._labels, groups.people, groups.images, generator)
        return Epoch(number, order, groups.people * groups.images, negatives)

    @staticmethod
    def _negatives(mining: Mining, losses: Sequence[float]) -> Negatives:
        if mining.then and any(settled(losses[:stop], mining.tolerance) for stop in range(len(losses) + 1)):
            return mining.then
        return mining.negatives
