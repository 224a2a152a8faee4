"""The checksum is that of the definition, bit by bit, in the form that checkpoints store."""

from __future__ import annotations

import random

import numpy as np
import pytest

from finetune.checkpoint.formats.crc32c import masked_crc32c
from tests.checkpoint.formats.tables import crc_of, masked_crc


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
    assert crc_of(data) == checksum
    assert masked_crc32c(data) == masked_crc(data)


@pytest.mark.parametrize("size", [1, 3, 100, 4097])
def test_any_parts_have_the_checksum_of_the_whole(size):
    generator = random.Random(size)
    data = generator.randbytes(size)
    cut, later = sorted(generator.randrange(size + 1) for _ in range(2))
    parts = data[:cut], data[cut:later], np.frombuffer(data[later:], np.uint8)
    assert masked_crc32c(*parts) == masked_crc(data)
