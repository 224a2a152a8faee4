"""The faces of a folder: photos that were seen before keep their embeddings, new ones are embedded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.align import NAME, Alignment, read_journal, recorded_faces, targets
from finetune.clustering.faces import Faces
from finetune.embedding import Embedder
from finetune.errors import DataError
from finetune.gallery import faces_of
from finetune.images import ImageRecord, Pixels, hash_image, hash_kept, inspect_images
from finetune.model import EmbeddingModel
from finetune.paths import find_images
from finetune.quality import Quality, measure_appearance, measure_quality

Found = tuple[bytes, int, tuple[float, ...] | None, str]
"""Digest of a photo, number and box of a face in it, and why it is not clustered."""
POOR = "poor: "
"""Beginning of the reason of a face that is there, but too poor to be clustered."""


def list_photos(folder: Path, *, recheck: bool = False) -> dict[str, str]:
    """List the photos of a folder of any depth. Those that were read before and have not changed are not read again.

    Args:
        folder: folder of photos.
        recheck: whether to read all of them in spite of that.

    Returns:
        Digest of each photo by its path relative to the folder, sorted; empty if the photo can't be read.

    Raises:
        DataError: there is no photo.
    """
    paths = find_images(folder)
    digests = hash_kept(paths, recheck=recheck).digests()
    start = len(os.path.join(folder, ""))
    return {path[start:]: digest for path, digest in zip(paths.texts(), digests, strict=True)}


def embed_faces(
    photos: Sequence[Path], model: EmbeddingModel, folder: Path, *, align: bool, min_face_size: int = 20
) -> Faces:
    """Find and embed the faces of photos, and judge their quality.

    Args:
        photos: readable files.
        model: restored model.
        folder: folder of the photos; a journal of `finetune align` in it knows the pose of aligned faces.
        align: whether to find the faces first. Otherwise each photo is one aligned face.
        min_face_size: side of the smallest face to detect, in pixels.
    """
    if not photos:
        return Faces.none(model.embedding_size)
    return _detected(photos, model, min_face_size) if align else _aligned(photos, model, folder)


def photos_of_crops(folder: Path) -> dict[str, str]:
    """Return the photo that each crop of `finetune align --all` was cut from, both relative to their folders."""
    try:
        settings, outcomes = read_journal(folder / NAME)
        alignment = Alignment(**{key: settings[key] for key in ("size", "all_faces", "format")})
    except (DataError, KeyError):
        return {}
    return {crop: outcome.photo for outcome in outcomes.values() for crop in targets(outcome, alignment)}


def _aligned(photos: Sequence[Path], model: EmbeddingModel, folder: Path) -> Faces:
    records = inspect_images(photos)
    reasons = {path: record.unusable(model.preprocessing.image_size) or "" for path, record in records.items()}
    good = [path for path in photos if not reasons[path]]
    qualities = measure_quality([records[path] for path in good], recorded_faces(folder))
    found: list[Found] = []
    for path in photos:
        poor = _poor(qualities.get(path)) if not reasons[path] else ""
        found.append((records[path].digest, int(not reasons[path]), None, reasons[path] or poor))
    return _embedded(found, good, model)


def _detected(photos: Sequence[Path], model: EmbeddingModel, min_face_size: int) -> Faces:
    """Find the faces of photos through links, since the detector takes a folder."""
    with tempfile.TemporaryDirectory(prefix="finetune-") as place:
        records: dict[str, ImageRecord] = {}
        for number, photo in enumerate(photos):
            link = Path(place) / f"{number:08d}{photo.suffix}"
            link.symlink_to(photo.absolute())
            records[link.name] = hash_image(photo)
        with faces_of(place, model, detect=True, min_face_size=min_face_size) as faces:
            found, crops = list[Found](), list[Pixels]()
            for face in faces:
                digest = records[face.photo.name].digest
                if isinstance(face.crop, np.ndarray) and face.box:
                    quality = Quality.of(measure_appearance(np.asarray(face.crop)), face.found)
                    found.append((digest, face.number, face.box, _poor(quality)))
                    crops.append(face.crop)
                else:
                    found.append((digest, 0, None, face.problem or "no face found"))
            return _embedded(found, crops, model)


def _embedded(found: Sequence[Found], crops: Sequence[Path | Pixels], model: EmbeddingModel) -> Faces:
    """Embed the crops, one for each face with a number."""
    rows = np.zeros([len(found), model.embedding_size], np.float32)
    if crops:
        # No cache: embeddings of faces that nobody named are kept in the result alone.
        rows[[number > 0 for _, number, _, _ in found]] = Embedder(model, cache="off").embeddings(crops)
    whole: npt.NDArray[np.bool_] = np.isfinite(rows.sum(axis=1))
    rows[~whole] = 0
    told = [
        (digest, number if whole[row] else 0, box, reason if whole[row] else "its embedding is not finite")
        for row, (digest, number, box, reason) in enumerate(found)
    ]
    return Faces.of(told, rows)


def _poor(quality: Quality | None) -> str:
    """Return why a face is poor; empty if it is not."""
    defects = quality.defects() if quality else {}
    worst = max(defects.values(), key=lambda defect: defect[1], default=None)
    return POOR + worst[0] if worst else ""
