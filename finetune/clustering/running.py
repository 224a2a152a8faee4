"""Clustering of a folder of photos, and its correction."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune import files
from finetune.clustering.correcting import Correct
from finetune.clustering.corrections import Corrections
from finetune.clustering.faces import Faces
from finetune.clustering.figures import BCubed, bcubed
from finetune.clustering.finding import embed_faces, list_photos, photos_of_crops
from finetune.clustering.folder import (
    Line,
    Settings,
    Stored,
    changing,
    lines,
    read_clusters,
    read_settings,
    refuse_other_files,
    write_clusters,
)
from finetune.clustering.joining import why_anew
from finetune.clustering.metric import PLAIN
from finetune.clustering.result import People, cluster_faces, enrolled_faces, join_faces
from finetune.errors import DataError, Problem
from finetune.gallery import Gallery, fitting, read_gallery
from finetune.model import EmbeddingModel
from finetune.paths import in_one_line


@dataclasses.dataclass(frozen=True)
class Done:
    """Result of a clustering.

    Attributes:
        people: faces with their clusters.
        lines: one line per face of each photo.
        photos: digest of each photo by its path.
        embedded: number of photos that were new.
        gone: number of photos of the earlier clustering that are no longer there, copies counted once.
        anew: why all faces were clustered; empty if new faces joined the people found before.
        joined: number of these new faces.
    """

    people: People
    lines: list[Line]
    photos: Mapping[str, str]
    embedded: int
    gone: int = 0
    anew: str = ""
    joined: int = 0


def cluster_photos(
    out: Path,
    settings: Settings,
    restore: Callable[[], EmbeddingModel],
    before: Stored | None = None,
    *,
    anew: bool = False,
    recheck: bool = False,
) -> Done:
    """Cluster the faces of a folder of photos into a new folder, or one that was made before.

    Faces of new photos join the people found before, if there are few of them. Otherwise all faces are clustered.

    Args:
        out: folder to write.
        settings: settings.
        restore: function that restores the model; it is called only if a photo is new.
        before: what the folder holds. Its embeddings, numbers and corrections are kept.
        anew: whether to cluster all faces in any case.
        recheck: whether to read photos again that were read before and have not changed since, by their times.

    Raises:
        DataError: there is no usable face, the photos contradict the corrections, the folder is in use or holds files
            of the user, or it was made from other photos.
        RunError: the folder can't be written.
    """
    folder = Path(settings.photos)
    photos = list_photos(folder, recheck=recheck)
    first = {digest: path for path, digest in reversed(photos.items()) if digest}
    known = set(before.faces.photos()) if before else set()
    gone = len(known - first.keys())
    if before:
        refuse_other_files(out)
        _refuse_other_photos(out, settings, before.settings, len(known), gone)
    new = [folder / first[digest] for digest in sorted(first.keys() - known)]
    before = _still_there(before, first) if before else None
    faces = before.faces if before else None
    if new or faces is None:
        found = embed_faces(new, restore(), folder, align=settings.align, min_face_size=settings.min_face_size)
        faces = faces.joined(found) if faces else found
    if not faces.numbers.any():
        told = f"{(first and faces.reasons[0]) or 'no photo can be read'}; there is no face to cluster"
        raise DataError(Problem(in_one_line(folder), told, "give aligned faces, or photos with --align"))
    stored = (
        dataclasses.replace(before, settings=settings, faces=faces, photos=photos)
        if before
        else Stored(settings, faces, photos, Corrections())
    )
    people, why = _added(stored, "as asked" if anew else "")
    table = write_clusters(out, stored, people, new=before is None)
    joined = people.left.changed - before.earlier.changed if before and before.earlier and people.left else 0
    return Done(people, table, photos, len(new), gone, why, 0 if why else joined)


def correct_clusters(out: Path, corrections: Sequence[Correct]) -> Done:
    """Apply corrections to a folder of clusters, and cluster its faces again. Nothing is embedded.

    Args:
        out: folder that `cluster_photos` wrote.
        corrections: corrections, applied in turn.

    Raises:
        DataError: a correction means no face, or contradicts another one or a photo; nothing is changed.
        RunError: the folder can't be written.
    """
    read_settings(out)  # before a lock is made in a folder of somebody else
    with changing(out):
        refuse_other_files(out)
        stored = read_clusters(out)
        keys = stored.faces.keys()
        for correct in corrections:
            people = _people(stored)
            said = correct(stored.corrections, lines(people, stored.photos), keys)
            stored = dataclasses.replace(stored, corrections=said, faces=people.faces)
        people = _people(stored)
        table = write_clusters(out, stored, people, corrected=True)
    return Done(people, table, stored.photos, 0)


def agreement(done: Done) -> tuple[BCubed, int] | None:
    """Compare the clusters with the folders of the photos, and return the figures with the number of faces.

    Faces that are poor do not count, nor photos with several faces: the folder does not say whose each is.
    """
    counts: dict[str, int] = {}
    for line in done.lines:
        counts[line.photo] = counts.get(line.photo, 0) + 1
    faces = done.people.faces
    some = [
        line
        for line in done.lines
        if line.row is not None and faces.numbers[line.row] and counts[line.photo] == 1 and "/" in line.photo
    ]
    some = [line for line in some if line.cluster or line.apart == "single"]
    if not some:
        return None
    names = np.unique([line.photo.split("/")[0] for line in some], return_inverse=True)[1]
    clusters = [line.cluster or -1 - (line.row or 0) for line in some]
    return bcubed(names.astype(np.int64), np.array(clusters, np.int64)), len(some)


def _refuse_other_photos(out: Path, settings: Settings, before: Settings, known: int, gone: int) -> None:
    """Refuse another folder of photos than before, unless it has most of the photos: it may have been moved."""
    if settings.photos != before.photos and 2 * gone > known:
        there = f"has {known - gone} of the {known} photos of {in_one_line(out)}"
        found = f"{there}, which were in {in_one_line(before.photos)}"
        raise DataError(Problem(in_one_line(settings.photos), found, "give that folder, or another OUT"))


def _still_there(stored: Stored, first: Mapping[str, str]) -> Stored:
    """Return a clustering without the faces of photos that are no longer in the folder; they are forgotten."""
    there = np.array([photo in first for photo in stored.faces.photos()], bool)
    if there.all():
        return stored
    faces = Faces(*(getattr(stored.faces, field.name)[there] for field in dataclasses.fields(stored.faces)))
    return dataclasses.replace(stored, faces=faces, earlier=stored.earlier and stored.earlier.keeping(there))


def _added(stored: Stored, why: str) -> tuple[People, str]:
    """Let new faces join the people found before, or cluster all faces, and return why."""
    gallery, stamp = _gallery(stored.settings), _stamp(stored, stored.threshold[0] if stored.threshold else None)
    enrolled = enrolled_faces(gallery) if gallery else ()
    why = why or why_anew(stored.earlier, stored.faces, {*stored.corrections.mentioned(), *enrolled}, stamp)
    if why or stored.earlier is None or stored.threshold is None:
        return _people(dataclasses.replace(stored, threshold=None)), why
    originals, threshold = _originals(stored), stored.threshold
    people = join_faces(stored.faces, stored.earlier, stored.corrections, gallery, originals, threshold=threshold)
    return people, ""


def _people(stored: Stored) -> People:
    """Cluster what is stored, with its gallery.

    Corrections change neither the threshold nor the metric. A threshold that was given keeps the metric in which it was
    given.
    """
    settings = stored.settings
    value, source = stored.threshold or (settings.threshold, "")
    kept = stored.earlier.metric if stored.earlier else PLAIN  # older versions compared by the plain cosine
    is_same = stored.earlier is not None and stored.earlier.threshold in (None, settings.threshold)
    keeps = stored.threshold is not None or (settings.threshold is not None and is_same)
    people = cluster_faces(
        stored.faces,
        stored.corrections,
        _gallery(settings),
        _originals(stored),
        far=settings.far,
        threshold=value,
        paths=stored.photos,
        metric=kept if keeps else None,
    )
    left = people.left and dataclasses.replace(people.left, stamp=_stamp(stored, people.threshold))
    return dataclasses.replace(people, source=source or people.source, left=left)


def _gallery(settings: Settings) -> Gallery | None:
    """Return the gallery of a clustering, if it has one."""
    if settings.gallery is None:
        return None
    path = Path(settings.gallery)
    return fitting(read_gallery(path), settings.contract, path)


def _originals(stored: Stored) -> dict[str, str]:
    """Return the photo that each crop was cut from, by the crop's digest."""
    crops = {} if stored.settings.align else photos_of_crops(Path(stored.settings.photos))
    return {digest: crops[name] for name, digest in stored.photos.items() if name in crops}


def _stamp(stored: Stored, threshold: float | None) -> str:
    """Return a digest of what clusters follow from beside the faces, and of the threshold that was found for them."""
    settings = stored.settings
    gallery = files.sha256(Path(settings.gallery)) if settings.gallery else ""
    text = json.dumps([stored.corrections.state(), settings.far, settings.threshold, gallery, threshold])
    return hashlib.sha256(text.encode()).hexdigest()


def absolute(folder: Path) -> str:
    """Return a folder's absolute path, links kept."""
    return os.path.abspath(folder)
