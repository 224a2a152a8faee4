"""The base of all models: what embedding, identification and classification need, without TensorFlow."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import unit_rows
from finetune.backbones import Backbone, Standardization
from finetune.errors import DataError, Problem, UserError
from finetune.images import (
    Change,
    Images,
    Precision,
    Preprocessing,
    first_layer,
    input_batches,
    one_by_one,
    standardization_distances,
)
from finetune.predictions import Predictions

if TYPE_CHECKING:
    from finetune.checkpoint import Located, RestorePlan

Vectors = npt.NDArray[np.float32]
BATCH_SIZE = 96
LEAST_LENGTH = 1e-5
"""Smallest length that prelogits are divided by: the root of FaceNet's epsilon."""


def unit(prelogits: Any) -> Vectors:
    """Bring prelogits [n, E], an array or a tensor, to unit length: the embeddings."""
    return unit_rows(np.asarray(prelogits, np.float32), LEAST_LENGTH)


class Origin(NamedTuple):
    """The origin of a model's weights.

    Attributes:
        source: files of the checkpoint; None without a checkpoint.
        plan: decision about every variable of the checkpoint and of the network.
        name: name in messages.
        values: function that reads again the values of variables that the model began with, by name.
        remarks: remarks on names and values that differ from those in the files.
    """

    source: Located | None
    plan: RestorePlan
    name: str
    values: Callable[[Collection[str]], Mapping[str, np.ndarray]]
    remarks: tuple[str, ...] = ()


class EmbeddingModel(abc.ABC):
    """A network that embeds faces. `Model` computes in TensorFlow, and `finetune.light` makes another.

    Attributes:
        backbone: units of the network and their names.
        preprocessing: preprocessing that the network expects.
        class_names: names of the head's classes, in order; empty if unknown.
        precision: precision of the computation. Prelogits and logits are always float32.
        runtime: name of the runtime for embeddings.
    """

    def __init__(
        self,
        backbone: Backbone,
        preprocessing: Preprocessing,
        class_names: Sequence[str],
        precision: Precision,
        runtime: str,
    ) -> None:
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.class_names = tuple(class_names)
        self.precision = precision
        self.runtime = runtime

    @property
    @abc.abstractmethod
    def origin(self) -> Origin | None:
        """The origin of the weights; None if only the caller knows it."""

    @property
    def source(self) -> Located:
        """The files of the checkpoint that the weights came from.

        Raises:
            UserError: the weights are not from a checkpoint.
        """
        if self.origin is None or self.origin.source is None:
            raise UserError(Problem(self.where, "was not restored from a checkpoint", "save it, and restore that"))
        return self.origin.source

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the weights came from: its prefix, or its single file.

        Raises:
            UserError: the weights are not from a checkpoint.
        """
        return self.source.prefix

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on names and values that differ from those in the checkpoint's files."""
        return self.origin.remarks if self.origin else ()

    @property
    def where(self) -> str:
        """The model's name in messages: the checkpoint that it came from."""
        return self.origin.name if self.origin else f"a fresh {self.backbone.title}"

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """The TF1 names of the variables, in the order of the units."""

    @property
    @abc.abstractmethod
    def embedding_size(self) -> int:
        """The number of values in an embedding."""

    @property
    @abc.abstractmethod
    def num_classes(self) -> int | None:
        """The number of classes of the head, or None without a head."""

    @property
    @abc.abstractmethod
    def computed_by(self) -> dict[str, object]:
        """The versions and the machine that vectors depend on beside the weights, by name, for the feature cache."""

    @abc.abstractmethod
    def prefix(self, stop: int) -> Callable[[Any], Any]:
        """Return the units before index `stop` as a function: uint8 images [n, s, s, c] to the input of unit `stop`.

        It is valid until these units change.
        """

    @abc.abstractmethod
    def shape_before(self, first: int) -> tuple[int, ...]:
        """Return the shape of unit `first`'s input for one image."""

    @abc.abstractmethod
    def multiply_adds(self) -> tuple[int, ...]:
        """Return the multiply-adds of each unit's forward pass for one image, in the order of the units."""

    @abc.abstractmethod
    def digests(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Return the SHA-256 of each variable's bytes, for all variables or for `names`."""

    @abc.abstractmethod
    def tensors(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return copies of the variables' values, for all variables or for `names`."""

    @abc.abstractmethod
    def _outputs(self, pixels: np.ndarray, *, head: bool, standardized: bool) -> Vectors:
        """Compute prelogits [n, E], or logits with `head`, for one batch of pixels or of standardized images.

        Raises:
            DataError: a value is not finite, or so large that an embedding's length is not finite.
        """

    def _not_finite(self) -> DataError:
        found = "gives NaN or infinite values for an image, so that its weights are damaged or too large"
        return DataError(Problem(self.where, found, "give another copy of the checkpoint"))

    def weights_sha256(self, names: Collection[str]) -> str:
        """Return one digest of the bytes of the variables in `names`, in any order."""
        return hashlib.sha256(json.dumps(sorted(self.digests(names).items())).encode()).hexdigest()

    def embed(
        self,
        images: Images,
        *,
        flip: bool = False,
        bad: dict[Path, str] | None = None,
        batch_size: int = BATCH_SIZE,
        standardized: bool = False,
        change: Change | None = None,
    ) -> np.ndarray:
        """Compute the embeddings of any number of images. Decoded files are in memory batch by batch.

        Args:
            images: one or several aligned faces: paths, Pillow images, or an array [n, h, w, 3] of whole numbers from 0
                to 255, or [n, h, w] for a network that takes grey. The path of a folder stands for all files below it,
                sorted. Images larger than the preprocessing's `image_size` are cropped centrally, as in the published
                scripts.
            flip: whether to append the embedding of the mirror image, as the published validation does.
            bad: receives `{path: reason}` for files that can't be read, whose rows are NaN.
            batch_size: images per batch.
            standardized: whether `images` are float arrays [n, image_size, image_size, c], already cropped and
                standardized as `preprocessing` says. They enter the network unchanged.
            change: change of each image's pixels, uint8 [h, w, 3], before the crop, such as a perturbation at a level;
                not for standardized arrays.

        Returns:
            Embeddings, float32 [n, embedding_size], with rows of unit length; [n, 2 * embedding_size] with `flip`.

        Raises:
            DataError: an array or an image can't be used, or a file can't be read and `bad` is not given; the error
                names every such file.
        """
        given = one_by_one(images, self.preprocessing.channels)
        width = self.embedding_size * (2 if flip else 1)
        embeddings = np.full([len(given), width], np.nan, np.float32)
        reasons: dict[Path, str] = {}
        for rows, batch in input_batches(
            given,
            self.preprocessing,
            batch_size,
            reasons,
            "embedding images",
            standardized=standardized,
            change=change,
        ):
            sides = [batch, batch[:, :, ::-1]] if flip else [batch]
            prelogits = [self._outputs(side, head=False, standardized=standardized) for side in sides]
            embeddings[rows] = np.concatenate([unit(side) for side in prelogits], axis=1)
        _report(reasons, bad)
        return embeddings

    def logits(self, images: Images, *, batch_size: int = BATCH_SIZE, standardized: bool = False) -> np.ndarray:
        """Compute the classifier's logits, float32 [n, num_classes], for images in any form that `embed` takes.

        Raises:
            DataError: an image can't be used, or the checkpoint holds no classifier.
        """
        if self.num_classes is None:
            raise DataError(
                Problem(
                    self.where,
                    f"holds no {self.backbone.head} with weights and biases; only embeddings can be had from it",
                )
            )
        given = one_by_one(images, self.preprocessing.channels)
        logits = np.empty([len(given), self.num_classes], np.float32)
        reasons: dict[Path, str] = {}
        for rows, batch in input_batches(
            given, self.preprocessing, batch_size, reasons, "classifying images", standardized=standardized
        ):
            logits[rows] = self._outputs(batch, head=True, standardized=standardized)
        _report(reasons, None)
        return logits

    def predict(self, images: Images, *, batch_size: int = BATCH_SIZE) -> Predictions:
        """Classify the people in images, in any form that `embed` takes.

        The classifier knows only its own people, and names one of them for every image. `finetune.identify` can also
        answer "unknown".

        Raises:
            DataError: an image can't be used, or the checkpoint holds no classifier.
        """
        return Predictions.of_logits(self.logits(images, batch_size=batch_size), self.class_names)

    def standardization_fit(self, images: Images) -> dict[Standardization, float]:
        """Compute the distance of the first layer's statistics on some images from the stored ones, by standardization.

        With the standardization of its training, a checkpoint reproduces its stored statistics. The distance is the
        Kullback-Leibler divergence between the two normal distributions, averaged over channels; 0 means equal.
        FaceNet's two standardizations are compared. A network without such statistics gives an empty dict.

        Args:
            images: images in any form that `embed` takes; a few dozen faces are enough.

        Raises:
            DataError: there is no image, or one can't be used.
        """
        given = one_by_one(images, self.preprocessing.channels)
        if not len(given):
            raise DataError(Problem("images", "found none", "give a few dozen faces"))
        reasons: dict[Path, str] = {}
        batches = [
            batch for _, batch in input_batches(given, self.preprocessing, BATCH_SIZE, reasons, "reading images")
        ]
        _report(reasons, None)
        layer = self.tensors(first_layer(self.backbone))
        return standardization_distances(self.backbone, layer, np.concatenate(batches))


def _report(reasons: dict[Path, str], bad: dict[Path, str] | None) -> None:
    if bad is not None:
        bad.update(sorted(reasons.items()))
    elif reasons:
        raise DataError(*(Problem(path, reason) for path, reason in sorted(reasons.items())))
