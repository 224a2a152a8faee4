"""Reading of single members of zip archives, with bounds on what they unpack to."""

from __future__ import annotations

import zipfile
from pathlib import Path

from finetune.errors import CheckpointError, Problem

MOST_PACKED = 64
"""Largest size of a packed member as a multiple of its packed size. Weights hardly pack at all."""
SMALL = 2**20
"""Size in bytes up to which a member may be packed better than that."""


def read_member(archive: zipfile.ZipFile, path: Path, name: str, largest: int, advice: str = "") -> bytes:
    """Return the content of a member.

    Args:
        archive: open archive.
        path: path of the archive, for messages.
        name: name of the member.
        largest: largest size in bytes that is read.
        advice: advice for an archive without the member.

    Raises:
        CheckpointError: the member is missing or encrypted.
        ValueError: the member is too large, or stands in the archive twice.
    """
    found = [member for member in archive.infolist() if member.filename == name]
    if not found:
        raise CheckpointError(Problem(path, f"has no {name} in it", advice))
    if len(found) > 1:
        raise ValueError(f"{name} stands in it twice")
    (member,) = found
    if member.flag_bits & 1:
        raise CheckpointError(Problem(path, "is encrypted", "unpack it, and zip it again without a password"))
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in a way that Keras does not use")
    if member.file_size > min(largest, max(SMALL, MOST_PACKED * member.compress_size)):
        raise ValueError(f"{name} says that it unpacks to {member.file_size} bytes")
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{name} is cut")
    return content
