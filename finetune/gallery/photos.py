"""Embedded photos: their embeddings, the digests that they are known by, and the files that they came from."""

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
from finetune.names import shown
from finetune.paths import in_one_line

Embeddings = npt.NDArray[np.float32]
Digests = npt.NDArray[np.uint8]
DIGEST = 32
"""Bytes of an image's digest, a sha256."""
LONGEST_FILE = 512
"""Bytes of a photo's name that are kept, the last ones."""
LONGEST_PATH = 1024
"""Bytes of a photo's path."""
LEAST_NORM, MOST_NORM = 1e-10, 1e30
"""Between which prelogits have a direction that float32 holds; the least is FaceNet's epsilon."""


class Source(NamedTuple):
    """The file that a photo was enrolled from.

    Attributes:
        path: absolute, as UTF-8 bytes; empty where nobody knows, or where it is too long or no text.
        digest: the sha256 of its bytes.
    """

    path: bytes
    digest: bytes

    @classmethod
    def of(cls, file: Path, digest: bytes) -> Source:
        """From a file's path and digest."""
        text = os.path.abspath(file)
        path = text.encode(errors="ignore")
        return cls(path if len(path) <= LONGEST_PATH and path.decode() == text else b"", digest)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Photos(Brief):
    """Embedded photos, one a row.

    Attributes:
        embeddings: float32 [n, E], rows of unit length.
        norms: float32 [n], the lengths of the prelogits that they were brought from.
        digests: uint8 [n, 32], the sha256 of each image's bytes.
        files: [n], what each was called, as UTF-8 bytes.
        paths: [n], where the file lay when it was enrolled, as UTF-8 bytes; empty where nobody knows.
        originals: uint8 [n, 32], the sha256 of that file: of the photo, where the image is a crop of one.
    """

    embeddings: Embeddings
    norms: npt.NDArray[np.float32]
    digests: Digests
    files: npt.NDArray[np.bytes_]
    paths: npt.NDArray[np.bytes_]
    originals: Digests

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
        """From prelogits [n, E], or embeddings, with a digest and a name per row, and the source where it is known.

        Raises:
            NotFinite: a row has no direction: it is zero, or holds what is no number.
        """
        norms = np.linalg.norm(prelogits.astype(np.float64), axis=1, keepdims=True)
        bad = np.flatnonzero(~((norms[:, 0] > LEAST_NORM) & (norms[:, 0] < MOST_NORM)))
        if len(bad):
            raise NotFinite(
                Problem(
                    shown(files[bad[0]]),
                    f"{len(bad)} of {len(norms)} embeddings are zero or no finite numbers; none was enrolled",
                )
            )
        embeddings = (prelogits / norms).astype(np.float32)
        names = [file.encode("utf-8", "replace")[-LONGEST_FILE:] for file in files]
        places = [Source(b"", digest) for digest in digests] if sources is None else sources
        paths, originals = np.array([place.path for place in places], "S"), _table([place.digest for place in places])
        return cls(embeddings, norms[:, 0].astype(np.float32), _table(digests), np.array(names, "S"), paths, originals)

    @classmethod
    def none(cls, embedding_size: int) -> Photos:
        """No photo."""
        return cls.of(np.empty([0, embedding_size], np.float32), (), ())

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Photos:
        """These rows."""
        return Photos(*(part[rows] for part in self._parts()))

    def joined(self, other: Photos) -> Photos:
        """This one's rows, then the other's."""
        return Photos(*map(np.concatenate, zip(self._parts(), other._parts(), strict=True)))

    def prelogits(self) -> Embeddings:
        """The prelogits that the embeddings were brought from, to rounding: float32 [n, E]."""
        return self.embeddings * self.norms[:, np.newaxis]

    def hashes(self) -> list[bytes]:
        """The digests, each as bytes."""
        return self.digests.view(f"V{DIGEST}").ravel().tolist() if len(self) else []

    def names(self) -> list[str]:
        """Return what each file was called, as a line can show it."""
        return [in_one_line(file.decode("utf-8", "replace")) for file in self.files.tolist()]

    def _parts(self) -> list[Any]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _table(digests: Sequence[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
