"""Embedded faces of a folder of photos, and the file that keeps them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.arrays import Doubles, Labels, hexadecimal
from finetune.brief import Brief
from finetune.clustering.earlier import Earlier
from finetune.errors import DataError, Problem

Digests = npt.NDArray[np.uint8]
Texts = npt.NDArray[np.str_]
ADVICE = "give the folder that finetune cluster made, or make a new one"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Faces(Brief):
    """Faces of photos, each photo once however often it lies in the folder.

    Attributes:
        digests: sha256 of each face's photo, uint8 [n, 32].
        numbers: number of the face in its photo, int64 [n], from 1; 0 if there is no usable face.
        boxes: left, top, right, bottom in the photo, in pixels, float64 [n, 4]; NaN if the photo is the crop.
        embeddings: float32 [n, E], rows of unit length; zeros if there is no usable face.
        reasons: why a face is not clustered, [n]; empty if it is.
        clusters: number of each face's cluster, int64 [n]; 0 if it lies apart.
    """

    digests: Digests
    numbers: Labels
    boxes: Doubles
    embeddings: npt.NDArray[np.float32]
    reasons: Texts
    clusters: Labels

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def none(cls, size: int) -> Faces:
        """Return no faces, for embeddings of a size."""
        return cls.of([], np.empty([0, size], np.float32))

    @classmethod
    def of(
        cls, found: Sequence[tuple[bytes, int, tuple[float, ...] | None, str]], embeddings: npt.NDArray[np.float32]
    ) -> Faces:
        """Build faces from digest, number, box and reason of each, and their embeddings [n, E]."""
        digests = np.frombuffer(b"".join(digest for digest, *_ in found), np.uint8).reshape(-1, 32)
        boxes = np.array([box or (np.nan,) * 4 for _, _, box, _ in found], np.float64).reshape(-1, 4)
        numbers = np.array([number for _, number, _, _ in found], np.int64)
        reasons = np.array([reason for *_, reason in found], np.str_)
        return cls(digests, numbers, boxes, embeddings, reasons, np.zeros(len(found), np.int64))

    def joined(self, other: Faces) -> Faces:
        """Return these faces, then the others."""
        names = [field.name for field in dataclasses.fields(self)]
        return Faces(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))

    def photos(self) -> list[str]:
        """Return the digest of each face's photo, in hexadecimal."""
        return hexadecimal(self.digests)

    def keys(self) -> list[str]:
        """Return `DIGEST:NUMBER` for each face."""
        return [f"{photo}:{number}" for photo, number in zip(self.photos(), self.numbers.tolist(), strict=True)]

    def rows_of(self) -> dict[str, list[int]]:
        """Return the rows of each photo's faces by its digest, sorted by their numbers."""
        rows: dict[str, list[int]] = {}
        photos = self.photos()
        for row in np.argsort(self.numbers, kind="stable").tolist():
            rows.setdefault(photos[row], []).append(row)
        return rows


def write_faces(path: Path, faces: Faces, photos: Mapping[str, str], left: Earlier | None = None) -> None:
    """Write faces, and the photos that show them by their path, as an .npz that only its owner may read.

    Args:
        path: path of the file.
        faces: faces.
        photos: digest of each photo by its path relative to the folder; empty if the photo can't be read.
        left: what their clustering leaves for faces that are added later.
    """
    arrays: dict[str, Any] = {field.name: getattr(faces, field.name) for field in dataclasses.fields(faces)}
    arrays["paths"] = np.array([name.encode(errors="surrogateescape") for name in photos], np.bytes_)
    arrays["path_digests"] = np.array([digest.encode() for digest in photos.values()], np.bytes_)
    arrays |= left.to_arrays() if left else {}
    files.write(path, lambda file: np.savez(file, **arrays), private=True)


def read_faces(path: Path) -> tuple[Faces, dict[str, str], Earlier | None]:
    """Read what `write_faces` wrote, in older versions too, which left nothing for later faces.

    Raises:
        DataError: the file is missing or damaged.
    """
    with files.reading(path, ADVICE), path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        faces = Faces(*(stored[field.name] for field in dataclasses.fields(Faces)))
        names = [name.decode(errors="surrogateescape") for name in stored["paths"].tolist()]
        digests = stored["path_digests"].astype(np.str_).tolist()
        left, has_metric = Earlier.from_arrays(stored, *faces.embeddings.shape), "metric" in stored
    kinds = [(part.dtype.kind, part.ndim, len(part)) for part in vars(faces).values()]
    n = len(faces.numbers)
    expected = [("u", 2, n), ("i", 1, n), ("f", 2, n), ("f", 2, n), ("U", 1, n), ("i", 1, n)]
    sound = kinds == expected and faces.digests.shape[1] == 32 and faces.boxes.shape[1] == 4
    sound = sound and (left is not None or not has_metric)  # the threshold beside it means nothing without it
    if not sound or len(names) != len(digests) or not np.isfinite(faces.embeddings).all():
        raise DataError(Problem(path, "damaged: its arrays do not fit one another", ADVICE))
    return faces, dict(zip(names, digests, strict=True)), left
