"""A restored checkpoint that only embeds and classifies, computed by ONNX Runtime without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
import PIL

from finetune import __version__
from finetune.checkpoint import Account
from finetune.errors import DataError, Problem
from finetune.images import standardize_array
from finetune.light.kept import Record
from finetune.light.session import Session
from finetune.model import EmbeddingModel, Origin

ONNXRUNTIME = "onnxruntime"
"""Name of the runtime, and of its package."""
Vectors = npt.NDArray[np.float32]


class LightModel(EmbeddingModel):
    """A network whose weights are fixed. Its variables stay in the checkpoint's files, and are read when asked for.

    Args:
        found: account of the checkpoint; its values need not have been read.
        record: record of the graph.
        session: graph from standardized images to prelogits.
    """

    def __init__(self, found: Account, record: Record, session: Session) -> None:
        origin = Origin(found.located, found.plan, found.name, found.reader(), found.remarks)
        super().__init__(found.backbone, found.preprocessing, found.class_names, origin, "float32", ONNXRUNTIME)
        self._needed, self._record, self._session = found.needed, record, session
        self._embedding_size = found.contents.embedding_size
        self._head: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The TF1 names of the variables, in the order of the units."""
        return tuple(self._needed)

    @property
    def embedding_size(self) -> int:
        """The number of values in an embedding."""
        return self._embedding_size

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the head, or None without a head."""
        weights, _ = self.backbone.head_variables
        return self._needed[weights][1] if weights in self._needed else None

    @property
    def computed_by(self) -> dict[str, object]:
        """The versions that vectors depend on beside the weights, by name, for the feature cache."""
        import onnxruntime

        return {"versions": [__version__, PIL.__version__], "runtime": [ONNXRUNTIME, onnxruntime.__version__]}

    def prefix(self, stop: int) -> Callable[[np.ndarray], Vectors]:
        """Return the units before the head as a function: uint8 images [n, s, s, c] to prelogits [n, E].

        Raises:
            ValueError: `stop` is another unit; the graph gives prelogits alone.
        """
        if stop != self.backbone.head_index:
            raise ValueError(f"the graph ends before unit {self.backbone.head_index}, not {stop}")
        return lambda pixels: self._outputs(pixels, head=False, standardized=False)

    def shape_before(self, first: int) -> tuple[int, ...]:
        """Return the shape of unit `first`'s input for one image."""
        return self._record.outputs[first - 1] if first else self.preprocessing.shape

    def multiply_adds(self) -> tuple[int, ...]:
        """Return the multiply-adds of each unit's forward pass for one image, in the order of the units."""
        return self._record.multiply_adds

    def digests(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Return the SHA-256 of each variable's bytes, for all variables or for `names`."""
        return {name: self._record.digests[name] for name in (self.names if names is None else names)}

    def tensors(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return the variables' values, read from the checkpoint's files, for all variables or for `names`.

        Raises:
            CheckpointError: the files can no longer be read.
        """
        assert self.origin is not None
        return dict(self.origin.values(self.names if names is None else names))

    def _outputs(self, pixels: np.ndarray, *, head: bool, standardized: bool) -> Vectors:
        dtype = np.dtype(np.float32 if standardized else np.uint8)
        if pixels.dtype != dtype:
            found = f"found {pixels.dtype} of shape {list(pixels.shape)}"
            raise DataError(Problem("pixels", found, f"give {dtype.name} [n, s, s, c]"))
        images = pixels if standardized else standardize_array(pixels, self.preprocessing.standardization)
        prelogits: Vectors = self._session(images)
        vectors = self._logits(prelogits) if head else prelogits
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(np.square(vectors).sum())
        if not finite:
            raise self._not_finite()
        return vectors

    def _logits(self, prelogits: Vectors) -> Vectors:
        """Return the logits [n, classes], a matrix product of the prelogits [n, E]."""
        if self._head is None:
            weights, biases = self.backbone.head_variables
            tensors = self.tensors([weights, biases])
            self._head = tensors[weights], tensors[biases]
        logits: Vectors = prelogits @ self._head[0] + self._head[1]
        return logits
