"""The random rotation, crop and flip of each image, drawn in NumPy with the bits of TensorFlow's stateless operations.

Worker processes need these draws and must not import TensorFlow. The generator is Philox-4x32-10 (Salmon et al. 2011,
"Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

ROUNDS = 10
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
SCRAMBLING = np.uint32(0x3EC8F720), np.uint32(0x02461E29)
"""Key by which TensorFlow turns a seed into the key and the counter of its draws."""
LOW = np.uint64(0xFFFFFFFF)
INT32_MAX = np.uint32(2**31 - 1)


class Draws(NamedTuple):
    """The draws of some images.

    Attributes:
        degrees: angles of rotation, float32 [n].
        offsets: draws of the crop's row and column, int64 [n, 2]. The place is the remainder by the number of places.
        mirrored: whether to mirror each image, bool [n].
    """

    degrees: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    mirrored: npt.NDArray[np.bool_]


def draw(key: int, indices: npt.NDArray[np.int64], limit: float) -> Draws:
    """Draw the changes of images, each by the key and its own index.

    They are those of `tf.random.split` of the seed [key, index] into three: `stateless_uniform` for the angle,
    `stateless_random_crop` and `stateless_random_flip_left_right`.

    Args:
        key: key of the epoch's augmentation.
        indices: indices of the images, int64 [n].
        limit: largest angle in degrees to either side; 0 for no rotation.
    """
    seed = np.empty([len(indices), 2], np.uint64)
    seed[:, 0], seed[:, 1] = np.uint64(key), indices.astype(np.uint64)
    angle_seed, crop_seed, flip_seed = np.moveaxis(_split(seed), 1, 0)
    low, high = np.float32(-limit), np.float32(limit)
    degrees = _unit(_bits(angle_seed)[:, 0]) * (high - low) + low
    offsets = (_bits(crop_seed)[:, :2] % INT32_MAX).astype(np.int64)
    return Draws(degrees, offsets, _unit(_bits(flip_seed)[:, 0]) < np.float32(0.5))


def _split(seed: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return three seeds per seed, [n, 3, 2]."""
    words = _bits(seed, groups=3).astype(np.uint64)
    return (words[:, 0::2] | words[:, 1::2] << np.uint64(32)).reshape(-1, 3, 2)


def _unit(words: Words) -> npt.NDArray[np.float32]:
    """Return numbers in [0, 1) with the words' lowest 23 bits as fraction."""
    return (words & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _bits(seed: npt.NDArray[np.uint64], groups: int = 1) -> Words:
    """Return the first random words of each seed, [n, 4 groups].

    Args:
        seed: two 64-bit numbers per row, [n, 2].
        groups: number of groups of four words.
    """
    halves = np.stack([seed & LOW, seed >> np.uint64(32)], axis=2).reshape(-1, 4).astype(np.uint32)
    mixed = _philox(halves, np.broadcast_to(np.array(SCRAMBLING, np.uint32), [len(halves), 2]))
    counter = np.zeros_like(halves)
    counter[:, 2:] = mixed[:, 2:]
    drawn = []
    for group in range(groups):
        counter[:, 0] = group
        drawn.append(_philox(counter, mixed[:, :2]))
    return np.concatenate(drawn, axis=1)


def _philox(counter: Words, key: Words) -> Words:
    """Return four random words per counter: [n, 4], from counters [n, 4] and keys [n, 2]."""
    a, b, c, d = counter.T
    first, second = key.T
    for _ in range(ROUNDS):
        left, right = a * MULTIPLIERS[0], c * MULTIPLIERS[1]  # 64 bits wide
        a, c = _high(right) ^ b ^ first, _high(left) ^ d ^ second
        b, d = right.astype(np.uint32), left.astype(np.uint32)
        first, second = first + WEYL[0], second + WEYL[1]
    return np.stack([a, b, c, d], axis=1)


def _high(product: npt.NDArray[np.uint64]) -> Words:
    return (product >> np.uint64(32)).astype(np.uint32)
