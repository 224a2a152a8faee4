"""A network in TensorFlow with its variables by TF1 name, which can be trained, saved and exported."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import PIL
import tensorflow as tf

from finetune import __version__, checkpoint as checkpoints, network
from finetune.backbones import (
    STANDARDIZATIONS,
    WEIGHTS,
    Backbone,
    Standardization,
    Weights,
    by_name,
    variable_shapes,
)
from finetune.checkpoint import Account, RestorePlan
from finetune.errors import Problem, UserError
from finetune.images import PRECISIONS, RUNTIMES, Choice, Precision, Preprocessing, Runtime, usual_preprocessing
from finetune.model.embedding_model import EmbeddingModel, Origin, Vectors
from finetune.runtime import Inference, devices, refuse_fork
from finetune.words import listed


class Model(EmbeddingModel):
    """A network with its weights, made by `Model.restore` or `Model.fresh`.

    Attributes:
        backbone: units of the network and their names.
        variables: `{TF1 name: tf.Variable}`, in the order of the units. Set them by `assign`, or call
            `weights_changed` after setting them otherwise, because tensors derived from them are kept.
        preprocessing: preprocessing that the network expects.
        class_names: names of the head's classes, in order; empty if unknown.
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
        super().__init__(backbone, preprocessing, class_names, precision, runtime)
        self._origin = origin
        self.variables = dict(variables)
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
        shapes = variable_shapes(backbone, size, num_classes, preprocessing.shape)
        names = [name for name in shapes if num_classes or not backbone.is_head(name)]
        variables = {name: _variable(name, network.initial_value(backbone, name, shapes[name], seed)) for name in names}
        return cls(backbone, variables, preprocessing, () if isinstance(classes, int) else classes)

    @property
    def origin(self) -> Origin | None:
        """The origin of the weights; None if only the caller knows it."""
        return self._origin

    @property
    def plan(self) -> RestorePlan:
        """The decision about every variable of the checkpoint and of the network."""
        return self.origin.plan if self.origin else RestorePlan((), {}, tuple(self.variables))

    def initial(self, names: Collection[str]) -> Mapping[str, np.ndarray]:
        """Return the values of variables that the model began with: the checkpoint's, or those that were drawn.

        Raises:
            UserError: only the caller knows the origin of the weights.
        """
        if self.origin is None:
            raise UserError(Problem(self.where, "keeps no initial values", "save it, and restore that"))
        return self.origin.values(names)

    @property
    def names(self) -> tuple[str, ...]:
        """The TF1 names of the variables, in the order of the units."""
        return tuple(self.variables)

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

    @property
    def computed_by(self) -> dict[str, object]:
        """The versions and the machine that vectors depend on beside the weights, by name, for the feature cache."""
        other = [self.runtime, metadata.version(self.runtime)] if self.runtime != "tensorflow" else None
        return {
            "versions": [__version__, tf.__version__, PIL.__version__],
            "runtime": other or self.runtime,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
            "device": [device.device_type for device in tf.config.list_physical_devices()],
        }

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

    def _outputs(self, pixels: np.ndarray, *, head: bool, standardized: bool) -> Vectors:
        self._refresh()
        stop = len(self.backbone.units) if head else self.backbone.head_index
        vectors: Vectors = self._forward(pixels, stop, standardized=standardized).numpy()
        return vectors

    def _forward(self, pixels: np.ndarray | tf.Tensor, stop: int, **options: bool) -> tf.Tensor:
        """Compute the output of the units before index `stop`, as `Inference` does. All vectors come from here.

        Raises:
            DataError: a value is not finite, or so large that an embedding's length is not finite.
        """
        vectors = self._inference(pixels, stop, **options)
        if not np.isfinite(tf.reduce_sum(vectors * vectors).numpy()):
            raise self._not_finite()
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
