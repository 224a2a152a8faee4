"""Embedded photos: their embeddings, the digests that identify them, and the files that they came from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import NotFinite, Problem
from finetune.names import normal, shown
from finetune.paths import in_one_line

Embeddings = npt.NDArray[np.float32]
Digests = npt.NDArray[np.uint8]
DIGEST = 32
"""Bytes of an image's sha256."""
LONGEST_FILE = 512
"""Largest number of bytes kept of a photo's name: its last ones."""
LONGEST_PATH = 1024
"""Largest number of bytes of a photo's path."""
SHORTEST_DIGEST = 6
"""Fewest hexadecimal digits of a sha256 by which a photo may be named."""
LEAST_NORM, MOST_NORM = 1e-10, 1e30
"""Range of the norms of prelogits whose direction float32 can hold; the lower limit is FaceNet's epsilon."""


class Source(NamedTuple):
    """File that a photo was enrolled from.

    Attributes:
        path: absolute path, as UTF-8 bytes; empty if unknown, too long, or not valid text.
        digest: sha256 of the file's bytes.
    """

    path: bytes
    digest: bytes

    @classmethod
    def of(cls, file: Path, digest: bytes) -> Source:
        """Build a source from a file's path and digest."""
        text = os.path.abspath(file)
        path = text.encode(errors="ignore")
        return cls(path if len(path) <= LONGEST_PATH and path.decode() == text else b"", digest)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Photos(Brief):
    """Embedded photos, one per row.

    Attributes:
        embeddings: float32 [n, E], rows of unit length.
        norms: lengths of the prelogits before normalization, float32 [n].
        digests: sha256 of each image's bytes, uint8 [n, 32].
        files: name of each file, as UTF-8 bytes, [n].
        paths: path of each file when it was enrolled, as UTF-8 bytes, [n]; empty if unknown.
        originals: sha256 of the file at that path, uint8 [n, 32]. If the image is a crop, this file is the photo.
        maps: number of maps that each embedding has gone through since a checkpoint computed it, uint8 [n].
    """

    embeddings: Embeddings
    norms: npt.NDArray[np.float32]
    digests: Digests
    files: npt.NDArray[np.bytes_]
    paths: npt.NDArray[np.bytes_]
    originals: Digests
    maps: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.embeddings)

    @classmethod
    def of(
        cls,
        prelogits: npt.NDArray[np.floating[Any]],
        digests: Sequence[bytes],
        files: Sequence[str],
        sources: Sequence[Source] | None = None,
    ) -> Photos:
        """Build photos from prelogits or embeddings [n, E].

        Args:
            prelogits: prelogits or embeddings, [n, E].
            digests: sha256 of each image.
            files: name of each file.
            sources: file that each photo was enrolled from, if known.

        Raises:
            NotFinite: a row has no direction: it is zero, or holds NaN or infinity.
        """
        norms = np.linalg.norm(prelogits.astype(np.float64), axis=1, keepdims=True)
        bad = np.flatnonzero(~((norms[:, 0] > LEAST_NORM) & (norms[:, 0] < MOST_NORM)))
        if len(bad):
            raise NotFinite(
                Problem(
                    shown(files[bad[0]]),
                    f"{len(bad)} of {len(norms)} embeddings are zero or not finite; none was enrolled",
                )
            )
        embeddings = (prelogits / norms).astype(np.float32)
        names = [file.encode("utf-8", "replace")[-LONGEST_FILE:] for file in files]
        places = [Source(b"", digest) for digest in digests] if sources is None else sources
        paths, originals = np.array([place.path for place in places], "S"), _table([place.digest for place in places])
        parts = (norms[:, 0].astype(np.float32), _table(digests), np.array(names, "S"), paths, originals)
        return cls(embeddings, *parts, np.zeros(len(embeddings), np.uint8))

    @classmethod
    def none(cls, embedding_size: int) -> Photos:
        """Return no photos."""
        return cls.of(np.empty([0, embedding_size], np.float32), (), ())

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Photos:
        """Return the photos of some rows."""
        return Photos(*(part[rows] for part in self._parts()))

    def joined(self, other: Photos) -> Photos:
        """Return the rows of this one, then those of the other."""
        return Photos(*map(np.concatenate, zip(self._parts(), other._parts(), strict=True)))

    def prelogits(self) -> Embeddings:
        """Return the prelogits before normalization, up to rounding: float32 [n, E]."""
        return self.embeddings * self.norms[:, np.newaxis]

    def hashes(self) -> list[bytes]:
        """Return the digests, each as bytes."""
        return self.digests.view(f"V{DIGEST}").ravel().tolist() if len(self) else []

    def names(self) -> list[str]:
        """Return the name of each file, printable in one line."""
        return [in_one_line(file.decode("utf-8", "replace")) for file in self.files.tolist()]

    def called(self, file: str) -> list[int]:
        """Return the rows of the photos with this file name, or whose sha256 begins with these digits."""
        found = [row for row, name in enumerate(self.names()) if normal(name) == normal(file)]
        if not found and len(file) >= SHORTEST_DIGEST:
            found = [row for row, digest in enumerate(self.hashes()) if digest.hex().startswith(file)]
        return found

    def _parts(self) -> list[Any]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _table(digests: Sequence[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
