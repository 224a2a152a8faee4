"""The compiled forward pass for all work without gradients: embeddings, validation, frozen units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.backbones import Backbone
from finetune.errors import DataError, Problem
from finetune.images import Precision, Preprocessing, Runtime, standardize
from finetune.runtime.openvino import OpenVINO

CHUNK = 48
"""Images per forward pass.

A kernel's rounding depends on the shape of its input. Matrix products also round the rows left over from tiles of 6 or
8 differently. Features to be kept are therefore computed in full, padded chunks. They then depend as little as possible
on the other images.
"""
LEAST_CHUNK = 8
STREAMS = 2
"""Chunks in parallel on a CPU: while one waits at the end of a layer, the other computes."""

Pass = Callable[[tf.Tensor], tf.Tensor]


class Engine(Protocol):
    """A runtime for forward passes. It uses the weights that the variables had at the last `refresh`."""

    def refresh(self) -> None:
        """Take over the current weights."""

    def compiled(self, stop: int, *, standardized: bool = False) -> Pass:
        """Return the units before index `stop`: uint8 pixels [n, s, s, c] to float32 [n, ...]. Threads may share it.

        Args:
            standardized: whether the pass takes standardized float32 images instead of pixels.
        """


class Inference:
    """The network on pixels, with batch normalization and residual scales folded into the convolutions.

    Args:
        backbone: the network.
        variables: variables by TF1 name.
        preprocessing: preprocessing of the pixels.
        precision: precision of the computation, as in `forward_pass`.
        runtime: `tensorflow` or `openvino`.

    Raises:
        UserError: the runtime is not installed.
    """

    def __init__(
        self,
        backbone: Backbone,
        variables: Mapping[str, tf.Variable],
        preprocessing: Preprocessing,
        precision: Precision = "float32",
        runtime: Runtime = "tensorflow",
    ) -> None:
        on_gpu = runtime == "tensorflow" and tf.config.list_physical_devices("GPU")
        self._streams = 1 if on_gpu else STREAMS
        self._engine: Engine
        if runtime == "openvino":
            graphs = TensorFlow(backbone, variables, preprocessing, "float32")
            self._engine = OpenVINO(graphs, precision, STREAMS)
        else:
            self._engine = TensorFlow(backbone, variables, preprocessing, precision)

    def refresh(self) -> None:
        """Take over the current weights. Until then, those of the last refresh are used."""
        self._engine.refresh()

    def __call__(
        self, pixels: np.ndarray | tf.Tensor, stop: int, *, pad: bool = False, standardized: bool = False
    ) -> tf.Tensor:
        """Compute the output of the units before index `stop`.

        Args:
            pixels: uint8 [n, s, s, c], with n of at least 1.
            stop: index of the first unit that does not run.
            pad: whether to pad the images to full chunks, for features to be kept.
            standardized: whether `pixels` are standardized float32 images instead.

        Returns:
            Output of the last of these units, float32 [n, ...].

        Raises:
            DataError: `pixels` have another type, which TensorFlow would cast silently.
        """
        dtype = tf.float32 if standardized else tf.uint8
        if tf.as_dtype(pixels.dtype) != dtype:
            raise DataError(
                Problem(
                    "pixels", f"found {pixels.dtype} of shape {list(pixels.shape)}", f"give {dtype.name} [n, s, s, c]"
                )
            )
        forward = self._engine.compiled(stop, standardized=standardized)
        size = CHUNK if pad else min(CHUNK, max(LEAST_CHUNK, -(-len(pixels) // self._streams)))
        chunks = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        if pad:
            chunks[-1] = tf.pad(chunks[-1], [[0, CHUNK - len(chunks[-1])], [0, 0], [0, 0], [0, 0]])
        if len(chunks) == 1:
            return forward(chunks[0])[: len(pixels)]
        with ThreadPoolExecutor(self._streams) as pool:
            return tf.concat(list(pool.map(forward, chunks)), 0)[: len(pixels)]


class TensorFlow:
    """TensorFlow functions over folded variables. New weights are assigned without retracing."""

    def __init__(
        self,
        backbone: Backbone,
        variables: Mapping[str, tf.Variable],
        preprocessing: Preprocessing,
        precision: Precision,
    ) -> None:
        self._backbone, self._variables = backbone, variables
        self._standardization = preprocessing.standardization
        self._precision = precision
        self._shape = [None, *preprocessing.shape]
        self._folded: dict[str, tf.Variable] = {}
        self._passes: dict[tuple[int, bool], Pass] = {}

    def refresh(self) -> None:
        """Take over the current weights."""
        for name, value in network.fold(self._backbone, self._variables).items():
            unit = self._backbone.unit_of(name) or ""
            cast = tf.cast(value, network.computes_in(self._backbone, unit, self._precision))
            if name in self._folded:
                self._folded[name].assign(cast)
            else:
                self._folded[name] = tf.Variable(cast)

    def compiled(self, stop: int, *, standardized: bool = False) -> Pass:
        """Return the units before index `stop`."""
        key = stop, standardized
        if key not in self._passes:
            self._passes[key] = self._trace(self._folded, stop, standardized=standardized)
        return self._passes[key]

    def weights(self) -> dict[str, np.ndarray]:
        """Return the current weights, folded."""
        return {name: np.asarray(value) for name, value in network.fold(self._backbone, self._variables).items()}

    def constant(self, weights: Mapping[str, np.ndarray], stop: int, *, standardized: bool = False) -> tf.GraphDef:
        """Return the graph of the units before index `stop`, with these weights as constants."""
        return self._trace(weights, stop, standardized=standardized).graph.as_graph_def()

    def _trace(
        self, folded: Mapping[str, tf.Variable | np.ndarray], stop: int, *, standardized: bool
    ) -> tf.types.experimental.ConcreteFunction:
        backbone, units = self._backbone, slice(0, stop)

        def forward(pixels: tf.Tensor) -> tf.Tensor:
            images = pixels if standardized else standardize(pixels, self._standardization)
            used = network.units_of(backbone, folded, units)
            values = {name: tf.convert_to_tensor(value) for name, value in used.items()}
            return network.forward_pass(backbone, images, values, units, batch_norm="folded", precision=self._precision)

        taken = tf.TensorSpec(self._shape, tf.float32 if standardized else tf.uint8)
        return tf.function(forward, input_signature=[taken], autograph=False).get_concrete_function()
