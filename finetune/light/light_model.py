"""A restored checkpoint that only embeds and classifies, computed by ONNX Runtime without TensorFlow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import PIL

from finetune import __version__
from finetune.errors import DataError, Problem
from finetune.images import standardize_array
from finetune.light.kept import Record
from finetune.light.session import Session
from finetune.light.summaries import Summary
from finetune.model import EmbeddingModel, Origin

if TYPE_CHECKING:
    from finetune.checkpoint import Account

ONNXRUNTIME = "onnxruntime"
"""Name of the runtime, and of its package."""
Vectors = npt.NDArray[np.float32]


class LightModel(EmbeddingModel):
    """A network whose weights are fixed. Its variables stay in the checkpoint's files, and are read when asked for.

    Args:
        summary: summary of the checkpoint.
        record: record of the graph.
        session: graph from standardized images to prelogits.
        read: function that gives the account of the checkpoint. It is called when more than the summary is asked for.
    """

    def __init__(self, summary: Summary, record: Record, session: Session, read: Callable[[], Account]) -> None:
        super().__init__(summary.backbone, summary.preprocessing, summary.class_names, "float32", ONNXRUNTIME)
        self._summary, self._record, self._session, self._read = summary, record, session, read
        self._head: tuple[np.ndarray, np.ndarray] | None = None

    @functools.cached_property
    def origin(self) -> Origin:
        """The origin of the weights.

        Raises:
            CheckpointError: the checkpoint's files can no longer be read.
        """
        found = self._read()
        return Origin(found.located, found.plan, found.name, found.reader(), found.remarks)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the weights came from: its prefix, or its single file."""
        return self._summary.prefix

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on names and values that differ from those in the checkpoint's files."""
        return self._summary.remarks

    @property
    def where(self) -> str:
        """The model's name in messages: the checkpoint that it came from."""
        return str(self._summary.prefix)

    @property
    def names(self) -> tuple[str, ...]:
        """The TF1 names of the variables, in the order of the units."""
        return tuple(self._record.digests)

    @property
    def embedding_size(self) -> int:
        """The number of values in an embedding."""
        return self._summary.embedding_size

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the head, or None without a head."""
        return self._summary.num_classes

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
