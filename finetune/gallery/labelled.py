"""Rates of correctly named photos, where the name of each photo's folder says who is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.names import UNKNOWN, normal, same_identities
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery.identification import Identification

Faces = Sequence["Identification"]


def count_named(answers: Faces, people: Sequence[str]) -> list[str]:
    """Return lines with the rates over photos.

    A photo shows the person whose name its folder has, in any spelling. The folder does not say whose each face is.

    - The photo is named correctly if one of its faces gets the person's name.
    - It is unknown if none of its faces is named.
    - Otherwise it is named as somebody else.
    - If the folder's name is not an enrolled one, a photo with a named face is a false accept.
    - Photos without a usable face are not counted.

    Args:
        people: names of the people whom the classifier tells apart.
    """
    photos: dict[Path, list[Identification]] = {}
    for answer in answers:
        photos.setdefault(answer.face.photo, []).append(answer)
    folders = [photo.parent.name for photo in photos]
    owners = same_identities(people, folders) | {name: normal(name) for name in folders if normal(name) in people}
    seen = {photo: faces for photo, faces in photos.items() if faces[0].score is not None}
    own = [(faces, owners[photo.parent.name]) for photo, faces in seen.items() if photo.parent.name in owners]
    others = [faces for photo, faces in seen.items() if photo.parent.name not in owners]
    lines = [_of_people(own)] if own else []
    lines += [_of_strangers(others)] if others else []
    if without := len(photos) - len(seen):
        lines.append(f"{counted(without, 'photo')} without a face that can be used: not counted")
    return lines


def _of_people(photos: Sequence[tuple[Faces, str]]) -> str:
    n, count = len(photos), sum(len(faces) for faces, _ in photos)
    named = [([face.name for face in faces if face.name != UNKNOWN], owner) for faces, owner in photos]
    correctly = sum(owner in names for names, owner in named)
    unknown = sum(not names for names, _ in named)
    first = sum(any(face.best == owner for face in faces) for faces, owner in photos)
    theirs = sum(names.count(owner) for names, owner in named)
    beside = "" if count == n else f"; of their {count} faces {theirs} are named as the folder's person"
    return (
        f"{counted(n, 'photo')} of enrolled people: {correctly / n:.4f} named correctly "
        f"(detection and identification rate), {unknown / n:.4f} unknown, "
        f"{(n - correctly - unknown) / n:.4f} as somebody else; rank 1 {first / n:.4f}{beside}"
    )


def _of_strangers(photos: Sequence[Faces]) -> str:
    n, count = len(photos), sum(map(len, photos))
    named = [sum(face.name != UNKNOWN for face in faces) for faces in photos]
    beside = "" if count == n else f"; of their {count} faces {sum(named)} are named"
    accepted = sum(map(bool, named)) / n
    return f"{counted(n, 'photo')} of strangers: {accepted:.4f} named as somebody (false accept rate){beside}"
