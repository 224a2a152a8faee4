"""The checksum is that of the definition, bit by bit, for all lengths and all divisions into parts."""

from __future__ import annotations

import random

import pytest

from finetune.checkpoint.formats import crc32c as module
from finetune.checkpoint.formats.crc32c import DOUBLINGS, PIECE, TERMS, crc32c, masked
from tests.checkpoint.formats.tables import crc_of, masked_crc

C = TERMS[0]


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_published_examples(data, checksum):
    """RFC 3720, appendix B.4."""
    assert crc32c(data) == checksum


@pytest.mark.parametrize("size", [1, 3, 4, 5, 100, C - 5, C - 4, C - 3, 2 * C, C << DOUBLINGS, PIECE - 1, PIECE + 9])
def test_any_size_in_any_parts_has_the_checksum_of_the_definition(size):
    generator = random.Random(size)
    data = generator.randbytes(size)
    cut, later = sorted(generator.randrange(size + 1) for _ in range(2))
    assert crc32c(data) == crc32c(data[:cut], data[cut:later], memoryview(data)[later:]) == crc_of(data)
    assert masked(crc_of(data)) == masked_crc(data)


def test_the_terms_are_a_multiple_of_the_polynomial():
    def power(exponent: int) -> int:
        value = 1 << 31
        for _ in range(exponent):
            value = value >> 1 ^ (module.POLYNOMIAL if value & 1 else 0)
        return value

    c, b, a = TERMS
    assert power(8 * c) ^ power(8 * b) ^ power(8 * a) ^ power(0) == 0
