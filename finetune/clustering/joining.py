"""New faces of a folder beside the people found before: when they may join them, and which they join."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from finetune.arrays import Floats, Labels
from finetune.clustering.adding import NOWHERE, Centres, Library
from finetune.clustering.constraints import Constraints
from finetune.clustering.earlier import Earlier
from finetune.clustering.faces import Faces

SHARE = 0.1
"""Share of the faces that may be added or removed before all of them are clustered again."""


def why_anew(earlier: Earlier | None, faces: Faces, told: Collection[str], stamp: str) -> str:
    """Return why all faces have to be clustered; empty if the new ones may join the people found before.

    Args:
        earlier: what the earlier clustering left; None if there was none.
        faces: its faces, then the new ones.
        told: faces that a correction or a gallery says something about, by `DIGEST:NUMBER`.
        stamp: digest of what the clusters follow from now.
    """
    if earlier is None:
        return "for the first time"
    if earlier.stamp != stamp:
        return "since the corrections, the gallery or the threshold have changed"
    if told and any(key in told for key in faces.keys()[earlier.faces :]):
        return "since a correction or the gallery is about a new face"
    usable = (faces.numbers[earlier.faces :] > 0) & (faces.reasons[earlier.faces :] == "")
    if earlier.changed + int(usable.sum()) > SHARE * len(faces):
        return f"since more than {SHARE:.0%} of the faces came or went since all were clustered"
    return ""


def join(
    embeddings: Sequence[Floats], earlier: Earlier, rows: Labels, constraints: Constraints, threshold: float
) -> Earlier:
    """Let new faces join the clusters of an earlier clustering, photo by photo, or begin new ones.

    Args:
        embeddings: embeddings of all faces, those of the earlier clustering first; then of a gallery's photos.
        earlier: what the earlier clustering left.
        rows: rows of the faces that are clustered, in the order in which new ones are added.
        constraints: constraints of these faces, then of the gallery. Only those of photos may concern a new face.
        threshold: mean similarity above which a face joins a cluster.

    Returns:
        What this clustering leaves.
    """
    faces, *others = embeddings
    old, total = earlier.faces, len(faces)
    library = Library.resumed([faces[:old], *others], earlier.centres, threshold, earlier.metric)
    photos, is_new = constraints.photos[: len(rows)], rows >= old
    there: dict[int, list[int]] = {}
    for photo, row in zip(photos[~is_new].tolist(), rows[~is_new].tolist(), strict=True):
        there.setdefault(photo, []).append(row)
    added: dict[int, list[int]] = {}
    for photo, row in zip(photos[is_new].tolist(), rows[is_new].tolist(), strict=True):
        added.setdefault(photo, []).append(row)
    for photo, own in added.items():
        library.add(faces[own], barred=there.get(photo, ()))
    of, means, sizes = library.centres
    gallery = len(earlier.centres.of) - old
    whole = np.concatenate([of[:old], np.full(total - old, NOWHERE), of[old : old + gallery]])
    whole[[row for own in added.values() for row in own]] = of[old + gallery :]
    changed = earlier.changed + int(is_new.sum())
    return dataclasses.replace(earlier, centres=Centres(whole, means, sizes), faces=total, changed=changed)
