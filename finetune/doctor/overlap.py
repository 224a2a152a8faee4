"""Overlap between a folder and the LFW pairs: by name, by picture, and by face.

A model that was trained on people in the pairs scores too high on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from finetune.doctor import identities
from finetune.doctor.copies import copies_between
from finetune.doctor.embedded import Embedded, embed
from finetune.doctor.finding import Finding
from finetune.doctor.thumbnails import Thumbnails
from finetune.names import same_identities
from finetune.paths import in_one_line


def findings(
    root: Path, people: Sequence[str], images: Thumbnails, lfw: Thumbnails, embedded: Embedded | None
) -> Iterator[Finding]:
    """Yield the overlap of a folder with the pairs' images.

    Args:
        root: folder of the dataset.
        people: names of its people.
        images: images in the folder.
        lfw: images of the pairs.
        embedded: embeddings of the folder's images; without them, nothing is compared by face.
    """
    by_name = same_identities(people, [path.parent.name for path in lfw.records])
    folder = {path.parent.name: path.parent for path in lfw.records}
    for name, person in by_name.items():
        reason = f"stands in the LFW pairs as {in_one_line(name)}"
        yield Finding("lfw-name", root / person, reason, folder[name])
    yield from _by_picture(images, lfw)
    if embedded is not None:
        for person, name, cosine in _by_face(people, lfw, embedded):
            if by_name.get(name) != person:
                reason = f"looks like {in_one_line(name)} of the LFW pairs: their faces are alike to {cosine:.2f}"
                yield Finding("lfw-face", root / person, reason, folder[name], cosine)


def _by_picture(images: Thumbnails, lfw: Thumbnails) -> Iterator[Finding]:
    best = {edge.first: edge for edge in sorted(copies_between(images, lfw), key=lambda edge: edge.likeness)}
    for row, edge in best.items():
        other = lfw.paths[edge.second]
        said = "the same pixels as" if edge.equal else "the same picture as"
        alike = "" if edge.equal else f", alike to {edge.likeness:.3f}"
        reason = f"{said} {in_one_line(other.name)} of the LFW pairs{alike}"
        yield Finding("lfw-image", images.paths[row], reason, other, edge.likeness, moves=True)


def _by_face(people: Sequence[str], lfw: Thumbnails, embedded: Embedded) -> Iterator[tuple[str, str, float]]:
    """Yield each person who looks like a person of LFW, with the most similar one and the cosine."""
    size = embedded.model.preprocessing.image_size
    rows = np.flatnonzero(lfw.sizes.min(1) >= size)
    raw = embed(embedded.model, lfw, rows)
    names, labels = np.unique([lfw.paths[row].parent.name for row in rows], return_inverse=True)
    mean = raw.mean(0, dtype=np.float64)
    told: set[int] = set()
    for person, name, cosine in identities.alike(
        embedded.centres(mean), identities.means(identities.centred(raw, mean), labels)
    ):
        if person not in told:
            told.add(person)
            yield people[person], str(names[name]), cosine
