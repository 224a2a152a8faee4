"""People among the faces of a folder: clusters under photos, corrections and a gallery, with numbers and names."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from finetune.arrays import Floats, Labels
from finetune.brief import Brief
from finetune.clustering.adding import NOWHERE, Centres
from finetune.clustering.constraints import NO_NAME, Constraints
from finetune.clustering.corrections import Corrections
from finetune.clustering.earlier import Earlier
from finetune.clustering.faces import Faces
from finetune.clustering.finding import POOR
from finetune.clustering.joining import join
from finetune.clustering.metric import Metric
from finetune.clustering.numbering import number_clusters
from finetune.clustering.people import find_people
from finetune.errors import DataError, Problem
from finetune.gallery import Gallery
from finetune.paths import in_one_line
from finetune.verification import least_rate
from finetune.words import counted

SINGLE = "single"
"""Reason of a face whose cluster has no other photo and no name."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class People(Brief):
    """Faces with their clusters.

    Attributes:
        faces: faces, with their clusters' numbers.
        apart: why each face lies apart, [n]; empty for a face in a cluster.
        names: name of each named cluster by its number.
        threshold: mean similarity above which clusters were merged.
        source: description of where the threshold comes from.
        left: what the clustering leaves for faces that are added later.
    """

    faces: Faces
    apart: tuple[str, ...]
    names: Mapping[int, str]
    threshold: float
    source: str
    left: Earlier | None = None


def cluster_faces(
    faces: Faces,
    corrections: Corrections,
    gallery: Gallery | None = None,
    originals: Mapping[str, str] | None = None,
    *,
    far: float,
    threshold: float | None = None,
    paths: Mapping[str, str] | None = None,
    metric: Metric | None = None,
) -> People:
    """Cluster faces by person.

    The faces of a gallery take part: those of one enrolled person belong together, and a cluster with them has their
    name. If the gallery has enough people for the rate, the threshold is measured on them, strangers included.

    Args:
        faces: faces, with the numbers that their clusters had before.
        corrections: corrections, which are kept.
        gallery: gallery of the same contract.
        originals: the photo that a crop was cut from, by the digest of the crop. Faces of one photo are of different
            people.
        far: share of the pairs of two people's faces that may be merged, 0 < far < 0.1.
        threshold: mean similarity that clusters must exceed to be merged, in place of `far`.
        paths: digest of each photo by its path, for the message.
        metric: metric to use instead of learning one.

    Raises:
        DataError: the corrections contradict each other; the message names two photos.
    """
    rows, constraints, names = _prepared(faces, corrections, gallery, originals or {})
    wrong = constraints.contradiction()
    if wrong:
        photos = faces.photos()
        told = _told(wrong, [photos[row] for row in rows], paths or {}, constraints, names)
        raise DataError(Problem("", told, "leave this correction out, or take back an earlier one with --undo"))
    embeddings = np.concatenate([faces.embeddings[rows], *_embeddings(gallery)])
    known = _known(gallery, len(rows), far) if gallery is not None else None
    found = find_people(embeddings, constraints, far=far, threshold=threshold, known=known, metric=metric)
    source = found.source + (
        _too_few(gallery, far) if gallery is not None and known is None and threshold is None else ""
    )
    people = _people(faces, rows, found.labels, names, constraints, (found.threshold, source))
    centres = Centres.from_clusters(found)
    of = np.concatenate([np.full(len(faces), NOWHERE), centres.of[len(rows) :]])
    of[rows] = centres.of[: len(rows)]
    left = Earlier(centres._replace(of=of), len(faces), metric=found.metric, threshold=found.threshold)
    return dataclasses.replace(people, left=left)


def join_faces(
    faces: Faces,
    earlier: Earlier,
    corrections: Corrections,
    gallery: Gallery | None = None,
    originals: Mapping[str, str] | None = None,
    *,
    threshold: tuple[float, str],
) -> People:
    """Let new faces join the people whom `cluster_faces` found, under the same corrections and gallery.

    The other faces stay where they are. A new face may join a face that was single, or another new one.

    Args:
        faces: faces with the numbers of their clusters; the new ones last.
        earlier: what the earlier clustering left. `why_anew` has found no reason against it.
        corrections: corrections.
        gallery: gallery of the same contract.
        originals: the photo that a crop was cut from, by the digest of the crop.
        threshold: threshold of the earlier clustering, and where it comes from.
    """
    rows, constraints, names = _prepared(faces, corrections, gallery, originals or {})
    left = join([faces.embeddings, *_embeddings(gallery)], earlier, np.array(rows, np.int64), constraints, threshold[0])
    labels = np.concatenate([left.centres.of[rows], left.centres.of[len(faces) :]])
    people = _people(faces, rows, labels, names, constraints, threshold)
    return dataclasses.replace(people, left=left)


def enrolled_faces(gallery: Gallery) -> list[str]:
    """Return the faces that a gallery names, by `DIGEST:NUMBER`: those of the photos that are enrolled."""
    return [f"{digest.hex()}:1" for digest in gallery.photos.hashes()]


def _embeddings(gallery: Gallery | None) -> list[Floats]:
    """Return the embeddings that take part beside the faces: those of a gallery's people and of its strangers."""
    return [gallery.embeddings, gallery.strangers.embeddings] if gallery is not None else []


def _prepared(
    faces: Faces, corrections: Corrections, gallery: Gallery | None, originals: Mapping[str, str]
) -> tuple[list[int], Constraints, list[str]]:
    """Return the rows that are clustered, the constraints of them and of the gallery, and the names by their number."""
    keys, said = faces.keys(), corrections.faces()
    rows = [
        row
        for row, (key, number, reason) in enumerate(zip(keys, faces.numbers.tolist(), faces.reasons, strict=True))
        if number and (not reason or key in said)
    ]
    rows.sort(key=keys.__getitem__)  # by content: the order of files does not matter
    own = [keys[row] for row in rows]
    photos = [key.partition(":")[0] for key in own]
    return rows, *_constraints(own, photos, corrections, gallery, originals)


def _constraints(
    own: Sequence[str],
    photos: Sequence[str],
    corrections: Corrections,
    gallery: Gallery | None,
    originals: Mapping[str, str],
) -> tuple[Constraints, list[str]]:
    """Return the constraints of the faces and of a gallery's photos, and the names by their number."""
    place = {key: row for row, key in enumerate(own)}
    enrolled = list(gallery.people) if gallery else []
    names = sorted({*corrections.names.values(), *enrolled})
    number = {name: label for label, name in enumerate(names)}
    called = dict.fromkeys(corrections.faces(), "") | corrections.names
    if gallery:  # a photo that is enrolled itself is named, unless a correction says otherwise
        whose = (enrolled[label] for label in gallery.labels.tolist())
        called = dict(zip(enrolled_faces(gallery), whose, strict=True)) | called
    named = [number[called[key]] if called.get(key) else NO_NAME for key in own]
    if gallery:
        named += [number[enrolled[label]] for label in gallery.labels.tolist()]
        named += [NO_NAME] * len(gallery.strangers)
    shown = [originals.get(photo, photo) for photo in photos]
    of = np.unique(np.array(shown, np.str_), return_inverse=True)[1].astype(np.int64)
    others = np.arange(len(named) - len(own)) + len(own)  # each photo of the gallery is one of its own

    def there(group: Sequence[str]) -> list[int]:
        return [place[key] for key in group if key in place]

    together = [there(group) for group in corrections.together]
    apart = [(there(one), there(other)) for one, other in corrections.apart]
    return Constraints(np.concatenate([of, others]), np.array(named, np.int64), together, apart), names


def _known(gallery: Gallery, n: int, far: float) -> Labels | None:
    """Return the people of the gallery's photos after n unknown faces; None if they are too few for the rate."""
    strangers = len(gallery.people) + gallery.stranger_labels
    people = np.concatenate([gallery.labels, strangers]).astype(np.int64)
    enough = far >= least_rate(len(np.unique(people)) / 2)  # as for pairs of a gallery's people
    return np.concatenate([np.full(n, -1), people]) if enough else None


def _too_few(gallery: Gallery, far: float) -> str:
    """Return why a gallery does not measure the threshold."""
    n = len(gallery.people) + len(np.unique(gallery.stranger_labels))
    return f" since the gallery's {counted(n, 'person')} can't measure it, which takes {math.ceil(2 / far - 2 - 1e-6)}"


def _people(
    faces: Faces,
    rows: Sequence[int],
    labels: Labels,
    names: Sequence[str],
    constraints: Constraints,
    threshold: tuple[float, str],
) -> People:
    """Return the faces with the numbers and names of their clusters, and why a face lies apart."""
    called = {
        int(labels[row]): names[label] for row, label in enumerate(constraints.names.tolist()) if label != NO_NAME
    }
    own = labels[: len(rows)]
    sizes = np.bincount(own, minlength=len(labels))
    inside = np.array([sizes[label] > 1 or label in called for label in own.tolist()], bool)
    apart = [str(reason) for reason in faces.reasons]
    for row in rows:
        apart[row] = SINGLE
    kept = [row for row, whole in zip(rows, inside.tolist(), strict=True) if whole]
    keys = faces.keys()
    numbers = number_clusters(own[inside], faces.clusters[kept], [keys[row] for row in kept])
    clusters = np.zeros(len(faces), np.int64)
    clusters[kept] = numbers
    for row in kept:
        apart[row] = ""
    by_number = {
        int(number): called[int(label)]
        for number, label in zip(numbers, own[inside], strict=True)
        if int(label) in called
    }
    return People(dataclasses.replace(faces, clusters=clusters), tuple(apart), by_number, *threshold)


def _told(
    wrong: tuple[int, int],
    photos: Sequence[str],
    paths: Mapping[str, str],
    constraints: Constraints,
    names: Sequence[str],
) -> str:
    """Return what is wrong with two rows, which may be of the gallery."""
    shown = {digest: in_one_line(path) for path, digest in paths.items()}
    one, other = (shown.get(photos[row], photos[row][:12]) if row < len(photos) else "the gallery" for row in wrong)
    if one == other and constraints.photos[wrong[0]] == constraints.photos[wrong[1]]:
        return f"two faces of {one} would have to be one person, and a photo shows nobody twice"
    called = [names[label] for label in constraints.names[list(wrong)].tolist() if label != NO_NAME]
    people = f"{called[0]} and {called[1]}" if len(set(called)) == 2 else "one person and two"
    return f"a face of {one} and one of {other} would have to be {people}"


def is_poor(reason: str) -> bool:
    """Return whether a face lies apart because of its quality."""
    return reason.startswith(POOR)
