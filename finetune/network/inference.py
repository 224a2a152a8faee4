"""One compiled forward pass for all that takes no gradient: embeddings, validation, frozen units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.network.standardization import standardize
from finetune.preprocessing import Precision, Preprocessing

CHUNK = 48
"""Images that pass at once."""
PADDED = 24
"""Chunks are filled up to a multiple of it. Matrix products go by tiles of 6 or 8 rows, and what is left
over is rounded otherwise: so the bits of an image's features do not depend on the images beside it."""
STREAMS = 2
"""Chunks that pass side by side on a CPU: where one waits at the end of a layer, the other computes."""

Pass = Callable[[tf.Tensor], tf.Tensor]


class Inference:
    """The network on pixels, with batch normalization folded into the convolutions.

    It computes with the weights that the variables had at the last `refresh`.

    Args:
        variables: by TF1 name.
        preprocessing: the contract of the pixels.
        precision: `bfloat16` computes from the first convolution to the pooling in it.
    """

    def __init__(
        self, variables: Mapping[str, tf.Variable], preprocessing: Preprocessing, precision: Precision
    ) -> None:
        self._variables = variables
        self._standardization = preprocessing.standardization
        self._precision = precision
        self._streams = 1 if tf.config.list_physical_devices("GPU") else STREAMS
        size = preprocessing.image_size
        self._pixels = tf.TensorSpec([None, size, size, 3], tf.uint8)
        self._folded: dict[str, tf.Variable] = {}
        self._passes: dict[int, Pass] = {}
        self._assign_folded = tf.function(self._refold, input_signature=[], autograph=False)

    def refresh(self) -> None:
        """Takes over the weights as they are now; nothing is traced again."""
        if not self._folded:
            folded = network.fold(self._variables)
            self._folded = {name: tf.Variable(tf.cast(value, self._type(name))) for name, value in folded.items()}
        else:
            self._assign_folded()

    def __call__(self, pixels: np.ndarray | tf.Tensor, stop: int, *, pad: bool = True) -> tf.Tensor:
        """What the units `UNITS[:stop]` give.

        Args:
            pixels: uint8 [n, s, s, 3].
            stop: of the slice.
            pad: without it a few images are done sooner, with other last bits.

        Returns:
            float32 [n, ...].
        """
        forward = self._compiled(stop)
        chunks = [pixels[start : start + CHUNK] for start in range(0, len(pixels), CHUNK)]
        if pad:
            chunks[-1] = tf.pad(chunks[-1], [[0, -len(chunks[-1]) % PADDED], [0, 0], [0, 0], [0, 0]])
        if len(chunks) == 1:
            return forward(chunks[0])[: len(pixels)]
        with ThreadPoolExecutor(self._streams) as pool:
            return tf.concat(list(pool.map(forward, chunks)), 0)[: len(pixels)]

    def _compiled(self, stop: int) -> Pass:
        if stop not in self._passes:

            def forward(pixels: tf.Tensor) -> tf.Tensor:
                images = standardize(pixels, self._standardization)
                return network.forward(images, self._folded, 0, stop, precision=self._precision)

            compiled = tf.function(forward, input_signature=[self._pixels], autograph=False)
            self._passes[stop] = compiled.get_concrete_function()  # traced here, and not by several threads
        return self._passes[stop]

    def _refold(self) -> None:
        for name, value in network.fold(self._variables).items():
            self._folded[name].assign(tf.cast(value, self._type(name)))

    def _type(self, name: str) -> tf.DType:
        return tf.as_dtype(self._precision if network.is_convolution(name) else "float32")
