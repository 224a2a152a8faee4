"""CRC-32C, the checksum of TensorFlow's checkpoints, in the form in which they store it."""

from __future__ import annotations

import google_crc32c
import numpy as np
from numpy.typing import NDArray


def masked_crc32c(*parts: bytes | NDArray[np.uint8]) -> int:
    """Return the CRC-32C of bytes, given in parts (RFC 3720, appendix B.4), rotated and with a constant added."""
    checksum = 0
    for part in parts:
        checksum = google_crc32c.extend(checksum, part)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
