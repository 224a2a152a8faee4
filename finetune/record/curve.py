"""Gain against forgetting: how well a model knows the people it learned, and people it will never see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.dataset import Dataset
from finetune.embedding import CentralFeatures
from finetune.errors import NotFinite
from finetune.identification import OpenSet, open_set
from finetune.model import Model
from finetune.recipe import Recipe
from finetune.training import Trainer
from finetune.verification import LFWResult, draw, measure_strangers, paired_interval

FAR = 0.01
"""At which strangers are identified as somebody who was learned."""
Embed = Callable[[Dataset], npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CurvePoint(Brief):
    """What a model's embeddings are worth.

    Attributes:
        strangers: FaceNet's protocol on pairs of strangers.
        learned: the held-back images of the people who are trained on, named by the nearest mean of their training
            images, with strangers as impostors; None where nothing is held back.
    """

    strangers: LFWResult
    learned: OpenSet | None

    def to_json(self) -> dict[str, Any]:
        """For a file of the run's folder."""
        return {"strangers": self.strangers.to_json(), "learned": self.learned.to_json() if self.learned else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CurvePoint:
        """The point that `to_json` gave `stored`."""
        learned = OpenSet.from_json(stored["learned"]) if stored["learned"] else None
        return cls(LFWResult.from_json(stored["strangers"]), learned)


def columns(before: CurvePoint, point: CurvePoint) -> dict[str, float | None]:
    """A point as columns of the history, its intervals those of the differences to the one before."""
    forgetting = paired_interval(before.strangers.correct, point.strangers.correct)
    values: dict[str, float | None] = {
        "strangers_accuracy": point.strangers.accuracy,
        "strangers_low": forgetting.low,
        "strangers_high": forgetting.high,
        "strangers_val": point.strangers.val,
    }
    if before.learned and point.learned:
        gain = paired_interval(before.learned.correct, point.learned.correct)
        values |= {
            "learned_accuracy": point.learned.rank1,
            "learned_low": gain.low,
            "learned_high": gain.high,
            "strangers_dir": point.learned.dir,
        }
    return values


def finite(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The embeddings.

    Raises:
        NotFinite: some are no numbers.
    """
    bad = int(np.count_nonzero(~np.isfinite(embeddings).all(axis=1)))
    if bad:
        raise NotFinite(f"{bad} of {len(embeddings)} embeddings are no finite numbers")
    return embeddings


class Curve:
    """Measures points on the same images and the same pairs.

    Args:
        recipe: distance, seed and cache.
        train, validation: the images of the people who are trained on.
        strangers: those of people who are held out.
    """

    def __init__(self, recipe: Recipe, train: Dataset, validation: Dataset, strangers: Dataset) -> None:
        self._recipe = recipe
        self._train, self._validation, self._strangers = train, validation, strangers
        self.pairs = draw(strangers.labels, recipe.seed)

    def point(self, embed: Embed) -> CurvePoint:
        """A model's point.

        Args:
            embed: gives the unit embeddings of a dataset's images.
        """
        strangers = finite(embed(self._strangers))
        distance = self._recipe.lfw.distance if self._recipe.lfw else "cosine"
        learned = None
        if len(self._validation):
            gallery, probes = embed(self._train), embed(self._validation)
            learned = open_set(gallery, self._train.labels, probes, self._validation.labels, strangers, far=FAR)
        return CurvePoint(measure_strangers(strangers, self.pairs, distance=distance), learned)

    def at(self, model: Model, trainer: Trainer, check: Callable[[], None]) -> Callable[[], CurvePoint]:
        """Measures points of a stage: what its frozen units give for the images is computed once, and kept."""
        features: dict[int, CentralFeatures] = {}

        def embed(dataset: Dataset) -> npt.NDArray[np.float32]:
            if id(dataset) not in features:
                features[id(dataset)] = CentralFeatures(
                    model, trainer.first, dataset.paths, cache=self._recipe.cache, check=check
                )
            return features[id(dataset)].embed(trainer.embed)

        return lambda: self.point(embed)
