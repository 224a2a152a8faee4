"""Embeddings mapped from a file: they are read as they are needed, and take no memory of the process."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from finetune import files
from finetune.arrays import Floats
from finetune.errors import DataError, Problem

MEMBER = "embeddings.npy"
"""Name of the embeddings within an .npz file."""
LOCAL_HEADER = struct.Struct("<26xHH")
"""The header in front of a member of a zip archive, with the lengths of the name and of the extra field after it."""
ADVICE = "give embeddings that finetune embed wrote, or a .npy file of floats [n, E]"


def map_embeddings(path: str | os.PathLike[str]) -> Floats:
    """Map the embeddings of a file, read-only, for searches among more than the memory holds.

    The checksum within an .npz file is not compared, because that would read all of the file first. The file must not
    be changed in place while it is mapped.

    Args:
        path: `.npz` file that `finetune embed` or `finetune gallery --export` wrote; or a `.npy` file, float16, float32
            or float64 [n, E].

    Returns:
        An array [n, E] whose values stay in the file.

    Raises:
        DataError: the file can't be read, or holds no such embeddings.
    """
    path = Path(os.path.expanduser(path))
    with files.reading(path, ADVICE), path.open("rb") as file:
        try:
            start, end = _member(file) if zipfile.is_zipfile(file) else (0, os.fstat(file.fileno()).st_size)
            return _mapped(file, start, end)
        except (ValueError, KeyError, zipfile.BadZipFile, struct.error, EOFError) as error:
            raise DataError(Problem(path, f"no embeddings that can be mapped ({error})", ADVICE)) from error


def _member(file: BinaryIO) -> tuple[int, int]:
    """Return where the embeddings of an .npz file begin and end, the header of their .npy included."""
    with zipfile.ZipFile(file) as archive:
        found = archive.getinfo(MEMBER)
    if found.compress_type != zipfile.ZIP_STORED:
        raise ValueError("they are compressed")
    file.seek(found.header_offset)
    start = found.header_offset + LOCAL_HEADER.size + sum(LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size)))
    return start, start + found.file_size


def _mapped(file: BinaryIO, start: int, end: int) -> Floats:
    """Map the .npy that lies between two places of a file."""
    file.seek(start)
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_columns, dtype = readers[version](file)
    if len(shape) != 2 or 0 in shape or dtype.kind != "f" or dtype.itemsize > 8:
        raise ValueError(f"found {dtype} and shape {list(shape)}")
    if file.tell() + shape[0] * shape[1] * dtype.itemsize > end:
        raise ValueError("the file is cut")
    return np.asarray(np.memmap(file, dtype, "r", file.tell(), shape, "F" if by_columns else "C"))
