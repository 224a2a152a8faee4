"""PyTorch files with a state dict (`.pt`, `.pth`), read without PyTorch; nothing in them is executed.

PyTorch 1.6 and later write a zip archive: a pickle, and the values of each storage as one entry. Earlier versions write
several pickles, followed by the values of all storages.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.torch_pickle import MOST_BYTES, Objects, Tensor
from finetune.checkpoint.formats.torch_state_dict import ADVICE, state_dict
from finetune.errors import CheckpointError, Problem
from finetune.pickles import Bounded, Refused, legible

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""First two pickles of a file from before PyTorch 1.6."""
MOST_LISTED = 2**22
"""Largest size in bytes of an archive's list of entries; a state dict's has 80 per tensor."""
MOST_REPEATED = 4
"""Largest ratio of the tensors' sizes to the file's; tensors may share values."""
BLOCK = 2**20
_TAIL = 2**17
"""Size in bytes of what `zipfile` reads from the end of a file, rounded up."""
_ZIP, _LOCAL = b"PK\x03\x04", 30
"""Signature of an entry's own header, and the size of its fixed part."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """Bytes of a storage in the file, with their CRC-32 in an archive."""

    start: int
    size: int
    crc: int | None = None


_Places = Mapping[str, _Place]


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Read the list of a file's tensors; a tensor's values are read on demand.

    Raises:
        CheckpointError: the file holds something else than a state dict, or its form is too old.
        OSError: the file can't be opened.
        ValueError: the file is damaged.
    """
    with path.open("rb") as file:
        try:
            value, places = _opened(path, file)
            tensors = state_dict(path, value)
            _refuse_misplaced(tensors, places, os.fstat(file.fileno()).st_size)
        except CheckpointError:
            raise
        except Refused as problem:
            raise CheckpointError(Problem(path, str(problem), ADVICE)) from None
        except Exception as error:  # a damaged pickle or archive can raise anything
            told = isinstance(error, (ValueError, zipfile.BadZipFile))
            raise ValueError(legible(str(error)) if told else f"damaged, {type(error).__name__}") from error
    verified: set[str] = set()
    return Variables(
        {name: tensor.shape for name, tensor in tensors.items()},
        {name: tensor.storage.dtype for name, tensor in tensors.items()},
        lambda name: _values(path, tensors[name], places[tensors[name].storage.key], verified),
    )


def _opened(path: Path, file: BinaryIO) -> tuple[Any, _Places]:
    """Return the object in a file, and the places of its storages."""
    head = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    if head.startswith(_ZIP):
        return _archive(path, file)
    if head[257:262] == b"ustar":
        raise CheckpointError(Problem(path, "saved by PyTorch before 0.1.10", "save it again with a newer one"))
    return _legacy(path, file)


def _refuse_misplaced(tensors: Mapping[str, Tensor], places: _Places, size: int) -> None:
    """Refuse tensors whose values the file does not have, or that would take far more memory than the file.

    Raises:
        ValueError: tensors are refused.
    """
    for name, tensor in tensors.items():
        storage = tensor.storage
        place = places.get(storage.key)
        if place is None or (storage.start + storage.values) * storage.dtype.itemsize > place.size:
            raise ValueError(f"the values of {name} are not there")
    if sum(tensor.nbytes for tensor in tensors.values()) > MOST_REPEATED * size + BLOCK:
        raise ValueError("its tensors are larger than the file")


class _Sparing:
    """File that does not read a list of entries larger than `MOST_LISTED`, for `zipfile`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MOST_LISTED:
            raise ValueError("an archive with too many entries")
        return self._file.read(size if size >= 0 else _TAIL)


def _archive(path: Path, file: BinaryIO) -> tuple[Any, _Places]:
    """Read the pickle of a zip archive, and find its storages."""
    with zipfile.ZipFile(_Sparing(file)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) < len(archive.infolist()):
            raise ValueError("an archive in which an entry stands twice")
        end = archive.start_dir
    roots = [name.removesuffix("data.pkl") for name in entries if name.split("/", 1)[-1] == "data.pkl"]
    if len(roots) != 1:
        raise ValueError("an archive without data.pkl, or with several")
    (root,) = roots
    if any(name == f"{root}constants.pkl" or name.startswith(f"{root}code/") for name in entries):
        raise CheckpointError(
            Problem(path, "is a TorchScript program, which would have to be run", "save its state_dict()")
        )
    place = functools.partial(_place, file, end)
    if (order := entries.get(f"{root}byteorder")) and _content(file, place(order)) != b"little":
        raise CheckpointError(_big_endian(path))
    value = Objects().load(BytesIO(_content(file, place(entries[f"{root}data.pkl"]))))
    data = f"{root}data/"
    places = {name.removeprefix(data): place(entry) for name, entry in entries.items() if name.startswith(data)}
    if sum(one.size for one in places.values()) > end:
        raise ValueError("an archive whose entries overlap")
    return value, places


def _big_endian(path: Path) -> Problem:
    return Problem(path, "saved on a big-endian machine", "save it again on another")


def _place(file: BinaryIO, end: int, entry: zipfile.ZipInfo) -> _Place:
    """Return the bytes of an archive's entry, which PyTorch neither compresses nor encrypts."""
    name = legible(entry.filename)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
        raise ValueError(f"{name} is compressed or encrypted")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL)
    if len(header) < _LOCAL or not header.startswith(_ZIP):
        raise ValueError(f"{name} is not where the archive says")
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = entry.header_offset + _LOCAL + lengths
    if start + entry.file_size > end:
        raise ValueError(f"{name} is larger than the archive")
    return _Place(start, entry.file_size, entry.CRC)


def _content(file: BinaryIO, place: _Place) -> bytes:
    if place.size > MOST_BYTES:
        raise ValueError("a pickle that is too large")
    _verify(file, place)
    file.seek(place.start)
    return file.read(place.size)


def _verify(file: BinaryIO, place: _Place) -> None:
    """Compare the CRC-32 of an archive's entry with its bytes.

    Raises:
        ValueError: they differ.
    """
    file.seek(place.start)
    crc, left = 0, place.size
    while left and (block := file.read(min(left, BLOCK))):
        crc, left = zlib.crc32(block, crc), left - len(block)
    if crc != place.crc:
        raise ValueError("bytes that differ from their checksum")


def _legacy(path: Path, file: BinaryIO) -> tuple[Any, _Places]:
    """Read the pickles of a file from before PyTorch 1.6, and find the storages behind them."""
    objects, stream = Objects(), Bounded(file, MOST_BYTES)
    try:
        known = objects.load(stream) == MAGIC and objects.load(stream) == PROTOCOL
    except Exception as error:  # a file of any other kind
        raise ValueError("no file of torch.save") from error
    if not known:
        raise ValueError("no file of torch.save")
    machine, value, keys = objects.load(stream), objects.load(stream), objects.load(stream)
    start, end, places = file.tell(), file.seek(0, os.SEEK_END), {}
    if not isinstance(machine, dict):
        raise ValueError("a file without its description")
    if machine.get("little_endian", True) is not True:
        raise CheckpointError(_big_endian(path))
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in objects.dtypes for key in keys):
        raise ValueError("values that no tensor has")
    for key in keys:
        file.seek(start)
        count = int.from_bytes(file.read(8), "little", signed=True)
        place = _Place(start + 8, count * objects.dtypes[key].itemsize)
        start = place.start + place.size
        if count < 0 or start > end:
            raise ValueError(f"storage {legible(key)} is larger than the file")
        places[key] = place
    return value, places


def _values(path: Path, tensor: Tensor, place: _Place, verified: set[str]) -> np.ndarray:
    """Read a tensor's values. An archive's checksum is verified at the first read of a storage.

    Raises:
        OSError: the file can't be read.
        ValueError: bytes are missing or differ from their checksum.
    """
    storage = tensor.storage
    size = storage.dtype.itemsize
    data = np.empty(tensor.span * size, np.uint8)
    with path.open("rb") as file:
        if place.crc is not None and storage.key not in verified:
            _verify(file, place)
            verified.add(storage.key)
        file.seek(place.start + (storage.start + tensor.offset) * size)
        if file.readinto(data.data) != data.size:
            raise ValueError("bytes are missing")
    strides = [step * size for step in tensor.strides] if data.size else None
    values: np.ndarray = np.ndarray(tensor.shape, storage.dtype, data, strides=strides)
    return values if values.flags.c_contiguous else np.array(values, order="C")


FORMAT = Format("pytorch", "PyTorch file", (".pt", ".pth"), read)
