"""Gallery files: HDF5, validated when read, replaced as a whole, changed by one process at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.arrays import distinct
from finetune.backbones import CHANNELS, STANDARDIZATIONS
from finetune.errors import DataError, Problem, RunError
from finetune.gallery.contract import Contract
from finetune.gallery.decisions import Decisions
from finetune.gallery.gallery import Gallery
from finetune.gallery.mapping import MapCertificate
from finetune.gallery.photos import DIGEST, Photos
from finetune.names import why_unusable

Read = TypeVar("Read")
FORMAT = "finetune gallery 2"
UNCHECKED = "finetune gallery 1"
"""Format of older galleries, without checksums."""
LONGEST_TEXT = 2**16
"""Largest number of bytes of an attribute."""
WIDEST_NAME = 1024
"""Largest number of bytes of a row of names."""
WIDEST_EMBEDDING = 2**14
"""Largest number of values of an embedding."""
NEAR_ONE = 1e-3
"""Largest difference between an embedding's length and 1."""
MOST = 2**40
"""Largest plausible side of an array."""
MAPPED = 2**30
"""Size in bytes from which an array stays in the file, and is read from there as it is needed."""


def read_gallery(path: str | os.PathLike[str]) -> Gallery:
    """Read a gallery; the sizes in its header are checked against the file before anything is allocated.

    Arrays of 1 GiB and more are mapped, so that the gallery may be larger than the memory. Their checksums are compared
    all the same, in one pass over the file. finetune replaces galleries as a whole, which leaves a mapped one intact;
    don't let other programs write into the file while it is in use.

    Raises:
        DataError: the file is missing, of another kind, or damaged.
    """
    return _read(path, _gallery)


def read_contract(path: str | os.PathLike[str]) -> Contract:
    """Read the contract of a gallery, and nothing else.

    Raises:
        DataError: the file is missing, of another kind, or damaged.
    """
    return _read(path, lambda file, _: _contract(file))


def _read(path: str | os.PathLike[str], read: Callable[[h5py.File, int], Read]) -> Read:
    """Return the result of `read` for the open file and its size in bytes."""
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        found = "not a file" if path.exists() else "no such file"
        raise DataError(Problem(path, found, "give a gallery that finetune enroll made"))
    try:
        with h5py.File(path, "r", locking=False) as file:
            return read(file, path.stat().st_size)
    except _Damaged as problem:
        raise DataError(
            Problem(path, str(problem), "give a gallery that finetune enroll made, or a copy of this one")
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError, MemoryError, OverflowError) as error:
        reason = getattr(error, "strerror", None)
        if reason and "HDF5" not in reason and not isinstance(error, FileNotFoundError):
            raise DataError(
                Problem(path, f"can't be read ({reason})", "give a gallery that finetune enroll made")
            ) from error
        raise DataError(
            Problem(
                path, "not a gallery, or damaged", "give a gallery that finetune enroll made, or a copy of this one"
            )
        ) from error


def write_gallery(path: str | os.PathLike[str], gallery: Gallery) -> None:
    """Write a gallery beside `path` and rename it, so that a previous one stays intact until then.

    Raises:
        RunError: the file can't be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "people": np.array([name.encode() for name in gallery.people], "S"),
        "labels": gallery.labels,
        "stranger_labels": gallery.stranger_labels,
    }
    groups = {"": gallery.photos, "stranger_": gallery.strangers}
    if len(gallery.decisions):  # a gallery without decisions is written as it always was
        groups["denied_"] = gallery.decisions.photos
        arrays["denied_people"] = np.array([name.encode() for name in gallery.decisions.people], "S")
    for group, photos in groups.items():
        arrays |= {f"{group}{field.name}": getattr(photos, field.name) for field in dataclasses.fields(photos)}
        if not photos.maps.any():  # a gallery without maps is written as it always was
            del arrays[f"{group}maps"]

    # Build the file in memory: on a full disk, HDF5 gives no clear error and some versions of h5py crash.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        texts = {"contract": json.dumps(dataclasses.asdict(gallery.contract))}
        if gallery.certificates:
            texts["certificates"] = json.dumps([dataclasses.asdict(one) for one in gallery.certificates])
        checksums = {name: zlib.crc32(text.encode()) for name, text in texts.items()}
        for name, array in arrays.items():
            if array.dtype.kind == "S":  # marked as UTF-8 for other readers; HDF5 has no strings of zero bytes
                array = array.astype(h5py.string_dtype("utf-8", max(1, array.dtype.itemsize)))
            file.create_dataset(name, data=array)
            checksums[name] = _checksum(name, array)
        for name, text in {"format": FORMAT, **texts, "checksums": json.dumps(checksums)}.items():
            file.attrs[name] = np.bytes_(text)
    files.write(Path(os.path.expanduser(path)), lambda file: file.write(content.getbuffer()), private=True)


def update(path: str | os.PathLike[str], change: Callable[[Gallery | None], Gallery]) -> Gallery:
    """Change the current gallery under a lock, and return what was written.

    Args:
        path: path of the gallery.
        change: function from the current gallery, or None if there is none, to the new one.

    Raises:
        DataError: the file at the path is not a gallery.
        RunError: the gallery can't be written; the previous one is intact.
    """
    path = Path(os.path.expanduser(path))
    with _alone(path):
        gallery = change(read_gallery(path) if path.exists() else None)
        write_gallery(path, gallery)
    return gallery


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock the gallery, under any of its paths, and wait for other processes. A lock ends with its process."""
    path = Path(os.path.realpath(path))
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(lock, wait=True))
        except OSError as error:
            raise RunError(
                Problem(lock, f"can't be written ({error.strerror})", "choose another place for the gallery")
            ) from error
        yield


class _Damaged(Exception):
    """Description of what is wrong with a file."""


def _gallery(file: h5py.File, size: int) -> Gallery:
    contract = _contract(file)
    reader = _Reader(file, size)
    people = tuple(name.decode() for name in reader.strings("people").tolist())
    for problem in filter(None, map(why_unusable, people)):
        raise _Damaged(f"a name in it {problem.found}")
    if len(set(people)) != len(people):
        raise _Damaged("a name stands in it twice")
    labels, stranger_labels = reader.labels(""), reader.labels("stranger_")
    photos, strangers = reader.photos("", len(labels)), reader.photos("stranger_", len(stranger_labels))
    if photos.embeddings.shape[1] != strangers.embeddings.shape[1]:
        raise _Damaged("embeddings of two sizes")
    if len(labels) and (labels.min() < 0 or labels.max() >= len(people)):
        raise _Damaged("a label of nobody")
    if len(distinct(labels)) != len(people):
        raise _Damaged("a person without a photo")
    if len(stranger_labels) and stranger_labels.min() < 0:
        raise _Damaged("a label of nobody")
    decisions = reader.decisions()
    if len(decisions) and decisions.photos.embeddings.shape[1] != photos.embeddings.shape[1]:
        raise _Damaged("embeddings of two sizes")
    return Gallery(contract, people, labels, photos, stranger_labels, strangers, _certificates(file), decisions)


def _text(file: h5py.File, name: str) -> str:
    if name not in file.attrs:
        raise _Damaged("not a gallery of finetune's")
    attribute = file.attrs.get_id(name)
    kind = attribute.dtype
    if kind.kind != "S" or attribute.shape != () or kind.itemsize > LONGEST_TEXT:
        raise _Damaged(f"its {name} is not text")
    return bytes(file.attrs[name]).decode()


def _checksum(name: str, array: npt.NDArray[Any]) -> int:
    """Return a CRC-32 of an array's name, shape and values."""
    return zlib.crc32(np.ascontiguousarray(array).data, zlib.crc32(f"{name} {array.shape}".encode()))


def _checksums(file: h5py.File) -> dict[str, int] | None:
    """Return the checksum of each part; None for an older gallery without checksums."""
    stored = _text(file, "format")
    if stored not in (FORMAT, UNCHECKED):
        raise _Damaged("not a gallery of finetune's")
    return dict(json.loads(_text(file, "checksums"))) if stored == FORMAT else None


def _contract(file: h5py.File) -> Contract:
    checksums, text = _checksums(file), _text(file, "contract")
    if checksums is not None and checksums["contract"] != zlib.crc32(text.encode()):
        raise _Damaged("damaged: its contract is not what was written")
    contract = Contract(**json.loads(text))
    sound = isinstance(contract.checkpoint, str) and isinstance(contract.weights, str)
    sound = sound and isinstance(contract.backbone, str) and type(contract.convert) is bool
    known = contract.standardization in STANDARDIZATIONS and contract.channels in CHANNELS
    if not sound or type(contract.image_size) is not int or not known:
        raise _Damaged("its contract is none")
    return contract


def _certificates(file: h5py.File) -> tuple[MapCertificate, ...]:
    """Return the certificates of the maps; none if the gallery never had a map."""
    checksums = _checksums(file) or {}
    if "certificates" not in checksums:
        return ()
    text = _text(file, "certificates")
    if checksums["certificates"] != zlib.crc32(text.encode()):
        raise _Damaged("damaged: the certificates of its maps are not what was written")
    found = tuple(MapCertificate(**one) for one in json.loads(text))
    if not all(one.is_sound() for one in found):
        raise _Damaged("the certificate of a map is none")
    return found


class _Reader:
    """Reader of datasets that are stored contiguously in the file itself, with the size that they declare."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self._file, self._size = file, size
        self._checksums = _checksums(file)

    def labels(self, prefix: str) -> npt.NDArray[np.int64]:
        """Read the label of each photo."""
        return self._array(f"{prefix}labels", np.dtype(np.int64), 1)

    def decisions(self) -> Decisions:
        """Read the decisions; none if the gallery has none."""
        if "denied_people" not in (self._checksums or ()):
            return Decisions.none()
        people = tuple(name.decode() for name in self.strings("denied_people").tolist())
        for problem in filter(None, map(why_unusable, people)):
            raise _Damaged(f"a name in it {problem.found}")
        return Decisions(people, self.photos("denied_", len(people), zeros=True))

    def photos(self, prefix: str, count: int, *, zeros: bool = False) -> Photos:
        """Read so many photos; `zeros` allows embeddings of zeros."""
        embeddings = self._array(f"{prefix}embeddings", np.dtype(np.float32), 2)
        norms = self._array(f"{prefix}norms", np.dtype(np.float32), 1)
        digests = self._array(f"{prefix}digests", np.dtype(np.uint8), 2)
        names = self.strings(f"{prefix}files")
        paths, originals = np.full(count, b"", "S1"), digests
        if f"{prefix}paths" in self._file:  # older galleries have none
            paths = self.strings(f"{prefix}paths")
            originals = self._array(f"{prefix}originals", np.dtype(np.uint8), 2)
        maps = np.zeros(count, np.uint8)
        if f"{prefix}maps" in (self._checksums or ()):  # only in a gallery that was migrated by a map
            maps = self._array(f"{prefix}maps", np.dtype(np.uint8), 1)
        parts = (embeddings, norms, digests, names, paths, originals, maps)
        if any(len(part) != count for part in parts):
            raise _Damaged("its parts are of different lengths")
        widths = {digests.shape[1], originals.shape[1]}
        if widths != {DIGEST} or not 0 < embeddings.shape[1] <= WIDEST_EMBEDDING:
            raise _Damaged(
                f"digests of {max(widths - {DIGEST}, default=DIGEST)} bytes, embeddings of {embeddings.shape[1]} values"
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
        of_unit_length = np.abs(lengths - 1) < NEAR_ONE  # NaN fails the comparison
        if not (of_unit_length | (zeros & (lengths == 0))).all():
            raise _Damaged("an embedding that is not of unit length")
        return Photos(*parts)

    def strings(self, name: str) -> npt.NDArray[np.bytes_]:
        """Read strings of a fixed width."""
        return self._array(name, None, 1)

    def _array(self, name: str, dtype: np.dtype[Any] | None, ndim: int) -> npt.NDArray[Any]:
        if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
            raise _Damaged(f"holds no {name}")
        data = self._file[name]
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external or data.chunks is not None:
            raise _Damaged(f"{name} does not lie in it in one piece")
        text = dtype is None and data.dtype.kind == "S" and data.dtype.itemsize <= WIDEST_NAME
        if data.ndim != ndim or not (text or data.dtype == dtype) or max(data.shape) > MOST:
            raise _Damaged(f"{name} is of {data.dtype} and shape {list(data.shape)}")
        needed = int(np.prod([int(side) for side in data.shape], dtype=object)) * data.dtype.itemsize
        if needed and (data.id.get_offset() is None or data.id.get_offset() + needed > self._size):
            raise _Damaged(f"{name} says that it has {needed} bytes, which are not there")
        if needed < MAPPED:
            array: npt.NDArray[Any] = data[...]
        else:
            array = np.asarray(np.memmap(self._file.filename, data.dtype, "r", data.id.get_offset(), data.shape))
        if self._checksums is not None and self._checksums[name] != _checksum(name, array):
            raise _Damaged(f"damaged: {name} is not what was written")
        return array
