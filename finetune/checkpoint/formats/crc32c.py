"""CRC-32C, the checksum of TensorFlow's checkpoints, in NumPy.

The checksum is the remainder of the bytes, as a polynomial over GF(2), divided by Castagnoli's polynomial P.
A multiple of P with four terms, all of them powers of x^8, brings long data down to a few thousand bytes by XOR alone:
each byte is added to three later ones. The remainders of the powers of x then give the checksum.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""P without its highest term, with the lowest bit for the highest power."""
TERMS = (5685, 1362, 426)
"""Exponents c, b and a of y^c + y^b + y^a + 1, a multiple of P, where y = x^8. Found by search."""
DOUBLINGS = 4
"""Number of times that the multiple is squared, which doubles its exponents: long data takes few and long steps."""
FIRST = bytes.fromhex("54641f64")
"""Bytes that stand before the others: the checksum begins with 32 ones, and is 32 ones after these."""
PIECE = 2**18
"""Bytes that are copied and brought down at a time."""


def crc32c(*parts: bytes | memoryview | NDArray[np.uint8]) -> int:
    """Return the CRC-32C of bytes, given in parts (RFC 3720, appendix B.4)."""
    rest = np.frombuffer(FIRST, np.uint8)
    for part in parts:
        whole = np.frombuffer(part, np.uint8)
        for start in range(0, len(whole), PIECE):
            rest = _brought_down(np.concatenate([rest, whole[start : start + PIECE]]))
    bits = np.unpackbits(rest, bitorder="little")
    return int(np.bitwise_xor.reduce(_powers()[-len(bits) :] * bits)) ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """Return a checksum as TensorFlow stores it beside the data: rotated, plus a constant."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _brought_down(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return at most `TERMS[0]` bytes with the same remainder; the data are overwritten."""
    for scale in (2**doubling for doubling in reversed(range(DOUBLINGS + 1))):
        c, b, a = (scale * term for term in TERMS)
        while len(data) > c:
            count = min(c - b, len(data) - c)  # bytes that are not added to each other
            high = data[:count]
            for later in (c - b, c - a, c):
                data[later : later + count] ^= high
            data = data[count:]
    return data


@functools.cache
def _powers() -> NDArray[np.uint32]:
    """Return the remainders of the powers of x, from the highest to x^32, where the checksum of the last bit begins."""
    powers, power = [], POLYNOMIAL
    for _ in range(8 * TERMS[0]):
        powers.append(power)
        power = power >> 1 ^ (POLYNOMIAL if power & 1 else 0)
    return np.array(powers[::-1], np.uint32)
