"""The model: a network with its variables by TF1 name, and its embeddings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints, network
from finetune.backbones import STANDARDIZATIONS, WEIGHTS, Backbone, Standardization, Weights, by_name
from finetune.checkpoint import Account, RestorePlan
from finetune.errors import DataError, Problem, UserError
from finetune.images import (
    PRECISIONS,
    RUNTIMES,
    Change,
    Choice,
    Images,
    Precision,
    Preprocessing,
    Runtime,
    input_batches,
    one_by_one,
    usual_preprocessing,
)
from finetune.predictions import Predictions
from finetune.runtime import Inference, devices, refuse_fork
from finetune.words import listed

BATCH_SIZE = 96


class Origin(NamedTuple):
    """The origin of a model's weights.

    Attributes:
        source: files of the checkpoint; None without a checkpoint.
        plan: decision about every variable of the checkpoint and of the network.
        name: name in messages.
        values: function that reads again the values of variables that the model began with, by name.
        remarks: remarks on names and values that differ from those in the files.
    """

    source: checkpoints.Located | None
    plan: RestorePlan
    name: str
    values: Callable[[Collection[str]], Mapping[str, np.ndarray]]
    remarks: tuple[str, ...] = ()


class Model:
    """A network with its weights, made by `Model.restore` or `Model.fresh`.

    Attributes:
        backbone: units of the network and their names.
        variables: `{TF1 name: tf.Variable}`, in the order of the units. Set them by `assign`, or call
            `weights_changed` after setting them otherwise, because tensors derived from them are kept.
        preprocessing: preprocessing that the network expects.
        class_names: names of the head's classes, in order; empty if unknown.
        origin: origin of the weights; None if only the caller knows it.
        precision: precision of all computation but that of `backbone.float32_units`. Variables, prelogits and logits
            are always float32.
        runtime: runtime for embeddings and frozen units.

    Example:
        After `finetune demo`:

        >>> from finetune import Model
        >>> model = Model.restore("runs/demo/checkpoint")
        >>> model.embedding_size
        512
        >>> embeddings = model.embed("runs/demo/data/faces")  # one row of unit length per image
        >>> embeddings.dtype, embeddings.shape[1]
        (dtype('float32'), 512)
    """

    def __init__(
        self,
        backbone: Backbone,
        variables: Mapping[str, tf.Variable],
        preprocessing: Preprocessing,
        class_names: Sequence[str] = (),
        origin: Origin | None = None,
        precision: Precision = "float32",
        runtime: Runtime = "tensorflow",
    ) -> None:
        self.backbone = backbone
        self.variables = dict(variables)
        self.preprocessing = preprocessing
        self.class_names = tuple(class_names)
        self.origin = origin
        self.precision = precision
        self.runtime = runtime
        self._inference = Inference(backbone, self.variables, preprocessing, precision, runtime)
        self._changed = True

    @classmethod
    def restore(
        cls,
        checkpoint: str | Path,
        *,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        image_size: int | None = None,
        standardization: Standardization | None = None,
        convert: bool | None = None,
        precision: Precision = "float32",
        runtime: Runtime = "tensorflow",
        weights: Weights = "variables",
    ) -> Model:
        """Restore a checkpoint. Its backbone, embedding size and number of classes are read from it.

        Args:
            checkpoint: directory, prefix, or any file of a checkpoint.
            class_names: people of a new head, initialized afresh (Glorot uniform, as published) in place of the stored
                one. By default, the stored head is restored if it has weights and biases.
            seed: seed of the new head.
            image_size: image side in pixels; by default, what the checkpoint is known to expect.
            standardization: standardization, such as `fixed` or `per_image`; by default, what the checkpoint is known
                to expect.
            convert: whether RGB images become grey for a network that takes grey; by default, what its training did.
            precision: `float32`, or `bfloat16` for the convolutions. The latter is faster on hardware that supports
                it, and moves embeddings by a distance of about 1e-2.
            runtime: `tensorflow`, or `openvino` (an extra, for CPUs) for embeddings and frozen units.
            weights: `averages` to take the moving averages that the training kept of the variables. They are taken
                anyway where a checkpoint holds nothing else.

        Raises:
            CheckpointError: the checkpoint is missing, damaged, or of an unknown backbone; or the image size is too
                small for the network.
            UserError: the runtime is not installed, a value is not one of the choices, or this process was forked
                after TensorFlow was used.
        """
        for what, word, words in (
            ("standardization", standardization or "fixed", STANDARDIZATIONS),
            ("precision", precision, PRECISIONS),
            ("runtime", runtime, RUNTIMES),
            ("weights", weights, WEIGHTS),
        ):
            if word not in words:
                raise UserError(Problem(what, f"found {word!r}", f"give {listed(words, 'or')}"))
        refuse_fork()
        devices.prepare()
        found = checkpoints.account(
            checkpoint,
            class_names=class_names,
            choice=Choice(image_size, standardization, convert),
            weights=weights,
        )
        return cls.of(found, seed=seed, precision=precision, runtime=runtime)

    @classmethod
    def of(
        cls, found: Account, *, seed: int = 0, precision: Precision = "float32", runtime: Runtime = "tensorflow"
    ) -> Model:
        """Build the network of a checkpoint that is already open; see `restore`."""

        backbone, needed, plan, read = found.backbone, found.needed, found.plan, found.reader()

        def draw(name: str) -> np.ndarray:
            return network.initial_value(backbone, name, needed[name], seed)

        def again(names: Collection[str]) -> dict[str, np.ndarray]:
            drawn = {name: draw(name) for name in names if name in plan.fresh}
            return {**read([name for name in names if name not in drawn]), **drawn}

        variables = {
            name: _variable(name, found.values[name] if name in found.values else draw(name)) for name in found.needed
        }
        origin = Origin(found.located, found.plan, found.name, again, found.remarks)
        return cls(found.backbone, variables, found.preprocessing, found.class_names, origin, precision, runtime)

    @classmethod
    def fresh(
        cls,
        backbone: Backbone | str,
        embedding_size: int | None = None,
        classes: Sequence[str] | int = 0,
        *,
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
    ) -> Model:
        """Make a network with random weights (Glorot uniform) and neutral moving statistics.

        Args:
            backbone: the network, or its name.
            embedding_size: number of values in an embedding; by default, what is usual for the network.
            classes: names of the head's classes, or their number; 0 for no head.
            preprocessing: preprocessing that the network expects; by default, what is usual for the network.
            seed: seed of the weights.

        Raises:
            UserError: no backbone has this name, or the image size is too small for it.

        Example:
            >>> from finetune import Model
            >>> model = Model.fresh("small_cnn", classes=["Ann", "Bob", "Cid"])
            >>> sum(int(np.prod(variable.shape)) for variable in model.variables.values())
            175779
            >>> model.preprocessing.shape
            (64, 64, 1)
        """
        backbone = by_name(backbone) if isinstance(backbone, str) else backbone
        preprocessing = preprocessing or usual_preprocessing(backbone)
        checkpoints.refuse_small(backbone, preprocessing)
        refuse_fork()
        devices.prepare()
        num_classes = classes if isinstance(classes, int) else len(classes)
        size = embedding_size or backbone.embedding_size
        shapes = network.variable_shapes(backbone, size, num_classes, preprocessing.shape)
        names = [name for name in shapes if num_classes or not backbone.is_head(name)]
        variables = {name: _variable(name, network.initial_value(backbone, name, shapes[name], seed)) for name in names}
        return cls(backbone, variables, preprocessing, () if isinstance(classes, int) else classes)

    @property
    def source(self) -> checkpoints.Located:
        """The files of the checkpoint that the weights came from.

        Raises:
            UserError: the weights are not from a checkpoint.
        """
        if self.origin is None or self.origin.source is None:
            raise UserError(Problem(self.where, "was not restored from a checkpoint", "save it, and restore that"))
        return self.origin.source

    @property
    def plan(self) -> RestorePlan:
        """The decision about every variable of the checkpoint and of the network."""
        return self.origin.plan if self.origin else RestorePlan((), {}, tuple(self.variables))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on names and values that differ from those in the checkpoint's files."""
        return self.origin.remarks if self.origin else ()

    @property
    def where(self) -> str:
        """The model's name in messages: the checkpoint that it came from."""
        return self.origin.name if self.origin else f"a fresh {self.backbone.title}"

    def initial(self, names: Collection[str]) -> Mapping[str, np.ndarray]:
        """Return the values of variables that the model began with: the checkpoint's, or those that were drawn.

        Raises:
            UserError: only the caller knows the origin of the weights.
        """
        if self.origin is None:
            raise UserError(Problem(self.where, "keeps no initial values", "save it, and restore that"))
        return self.origin.values(names)

    @property
    def embedding_size(self) -> int:
        """The number of values in an embedding."""
        return int(self.variables[self.backbone.embedding_weights].shape[1])

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the head, or None without a head."""
        weights, _ = self.backbone.head_variables
        head = self.variables.get(weights)
        return None if head is None else int(head.shape[1])

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
        self._refresh()
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
            prelogits = [self._forward(side, self.backbone.head_index, standardized=standardized) for side in sides]
            embeddings[rows] = np.concatenate([network.l2_normalize(side).numpy() for side in prelogits], axis=1)
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
        self._refresh()
        for rows, batch in input_batches(
            given, self.preprocessing, batch_size, reasons, "classifying images", standardized=standardized
        ):
            logits[rows] = self._forward(batch, len(self.backbone.units), standardized=standardized).numpy()
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

    def prefix(self, stop: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the units before index `stop` as a function: uint8 images [n, s, s, c] to the input of unit `stop`.

        It is valid until these units change.
        """
        self._refresh()
        return lambda pixels: self._forward(pixels, stop, pad=True)

    def shape_before(self, first: int) -> tuple[int, ...]:
        """Return the shape of unit `first`'s input for one image."""
        image = self.preprocessing.shape
        shapes = network.output_shapes(self.backbone, self.embedding_size, self.num_classes or 0, image)
        return shapes[first - 1] if first else image

    def multiply_adds(self) -> tuple[int, ...]:
        """Return the multiply-adds of each unit's forward pass for one image, in the order of the units."""
        image = self.preprocessing.shape
        return network.multiply_adds(self.backbone, self.embedding_size, self.num_classes or 0, image)

    def digests(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Return the SHA-256 of each variable's bytes, for all variables or for `names`."""
        chosen = list(self.variables if names is None else names)

        def digest(name: str) -> str:
            return hashlib.sha256(self.variables[name].numpy().data).hexdigest()

        with ThreadPoolExecutor() as pool:
            return dict(zip(chosen, pool.map(digest, chosen), strict=True))

    def weights_sha256(self, names: Collection[str]) -> str:
        """Return one digest of the bytes of the variables in `names`, in any order."""
        return hashlib.sha256(json.dumps(sorted(self.digests(names).items())).encode()).hexdigest()

    def tensors(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return copies of the variables' values, for all variables or for `names`."""
        chosen = self.variables if names is None else names
        return {name: self.variables[name].numpy().copy() for name in chosen}

    def assign(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Set variables by name, in place, so that no function is retraced."""
        for name, value in tensors.items():
            self.variables[name].assign(value)
        self.weights_changed()

    def weights_changed(self) -> None:
        """Note that variables were set by other means than `assign`, such as an optimizer."""
        self._changed = True

    def save(self, folder: str | Path, name: str = "finetuned", step: int = 0) -> Path:
        """Write a TF1 checkpoint with FaceNet's variable names, the class names and the preprocessing.

        Args:
            folder: folder of the checkpoint, made if it is missing; files of the same name are replaced.
            name, step: NAME and STEP of `model-NAME.ckpt-STEP`.

        Returns:
            The checkpoint's prefix.

        Raises:
            RunError: the checkpoint can't be written, for instance because the disk is full.
        """
        beside = checkpoints.texts(self.backbone, self.preprocessing, self.class_names)
        name = checkpoints.published_form(name)
        return checkpoints.write(Path(os.path.expanduser(folder)), name, step, self.tensors(), beside)

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
        return network.standardization_distances(self.backbone, self.variables, np.concatenate(batches))

    def _forward(self, pixels: np.ndarray | tf.Tensor, stop: int, **options: bool) -> tf.Tensor:
        """Compute the output of the units before index `stop`, as `Inference` does. All vectors come from here.

        Raises:
            DataError: a value is not finite, or so large that an embedding's length is not finite.
        """
        vectors = self._inference(pixels, stop, **options)
        if not np.isfinite(tf.reduce_sum(vectors * vectors).numpy()):
            found = "gives NaN or infinite values for an image, so that its weights are damaged or too large"
            raise DataError(Problem(self.where, found, "give another copy of the checkpoint"))
        return vectors

    def _refresh(self) -> None:
        """Take over changed weights before any computation."""
        refuse_fork()
        if self._changed:
            self._inference.refresh()
            self._changed = False


def _variable(name: str, value: np.ndarray) -> tf.Variable:
    # Several replicas may each move a layer's statistics, which are then set to their mean.
    return tf.Variable(value, name=name.replace("/", "_"), aggregation=tf.VariableAggregation.MEAN)


def _report(reasons: dict[Path, str], bad: dict[Path, str] | None) -> None:
    if bad is not None:
        bad.update(sorted(reasons.items()))
    elif reasons:
        raise DataError(*(Problem(path, reason) for path, reason in sorted(reasons.items())))
