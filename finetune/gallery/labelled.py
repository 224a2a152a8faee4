"""Photos whose folders say who is in them: the faces that count, and the rates of correctly named photos."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from finetune.align import choose
from finetune.brief import Brief
from finetune.images import inspect_images
from finetune.names import UNKNOWN, normal, same_identities
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery.identification import Identification

Faces = Sequence["Identification"]
Policy = Literal["centred", "largest", "each", "one"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""Ways to count a photo with several faces.

- `centred`: its main face counts, which is the largest with a preference for the centre, as for enrolment.
- `largest`: its largest face counts.
- `each`: all of its faces count together, and the photo is right if one of them is.
- `one`: a photo with several faces does not count.
"""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Labelled(Brief):
    """Photo whose folder says who is in it.

    Attributes:
        owner: enrolled person whose name the folder has; None if nobody of this name is enrolled.
        folder: name of the folder.
        faces: answers for the faces that count, one at least.
    """

    owner: str | None
    folder: str
    faces: tuple[Identification, ...]

    @property
    def names(self) -> list[str]:
        """Names given to the faces, without `unknown`."""
        return [face.name for face in self.faces if face.name != UNKNOWN]

    @property
    def first(self) -> bool:
        """Whether the own person scores highest for a face, named or not."""
        return any(face.best == self.owner for face in self.faces)

    @property
    def score(self) -> float:
        """Highest score of a face; of a face for which the own person scores highest, if there is one."""
        of_own = [face.score for face in self.faces if face.best == self.owner and face.score is not None]
        return max(of_own or [face.score for face in self.faces if face.score is not None])

    @property
    def rank(self) -> int | None:
        """Best rank of the own person for a face; None if it is not known."""
        known = [face.own_rank for face in self.faces if face.own_rank is not None]
        return min(known, default=None)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LabelledPhotos(Brief):
    """Labelled photos, by what they show.

    Attributes:
        own: photos of enrolled people.
        others: photos of people who are not enrolled.
        further: further faces in these photos, which do not count; each with the folder's person.
        n_without: number of photos without a usable face.
        n_several: number of photos left out for their several faces.
        policy: way to count a photo with several faces.
    """

    own: tuple[Labelled, ...]
    others: tuple[Labelled, ...]
    further: tuple[tuple[Identification, str | None], ...]
    n_without: int
    n_several: int
    policy: Policy

    def lines(self) -> list[str]:
        """Return lines with the rates over photos."""
        lines = [self._of_people()] if self.own else []
        lines += [self._of_strangers()] if self.others else []
        if self.further:
            named = [(face.name, owner) for face, owner in self.further if face.name != UNKNOWN]
            own = sum(name == owner for name, owner in named)
            lines.append(
                f"{counted(len(self.further), 'further face')} in these photos: not counted; {len(named)} named, {own} "
                "as the folder's person"
            )
        if self.n_several:
            lines.append(f"{counted(self.n_several, 'photo')} with several faces: not counted")
        if self.n_without:
            lines.append(f"{counted(self.n_without, 'photo')} without a face that can be used: not counted")
        return lines

    def _of_people(self) -> str:
        n, count = len(self.own), sum(len(photo.faces) for photo in self.own)
        correctly = sum(photo.owner in photo.names for photo in self.own)
        unknown = sum(not photo.names for photo in self.own)
        first = sum(photo.first for photo in self.own)
        theirs = sum(photo.names.count(photo.owner or "") for photo in self.own)
        beside = "" if count == n else f"; of their {count} faces {theirs} are named as the folder's person"
        return (
            f"{counted(n, 'photo')} of enrolled people: {correctly / n:.4f} named correctly "
            f"(detection and identification rate), {unknown / n:.4f} unknown, "
            f"{(n - correctly - unknown) / n:.4f} as somebody else; rank 1 {first / n:.4f}{beside}"
        )

    def _of_strangers(self) -> str:
        n, count = len(self.others), sum(len(photo.faces) for photo in self.others)
        named = [len(photo.names) for photo in self.others]
        beside = "" if count == n else f"; of their {count} faces {sum(named)} are named"
        accepted = sum(map(bool, named)) / n
        return f"{counted(n, 'photo')} of strangers: {accepted:.4f} named as somebody (false accept rate){beside}"


def owners_of(photos: Iterable[Path], people: Sequence[str]) -> dict[Path, str]:
    """Return the enrolled person whose name each photo's folder has, in any spelling: `{photo: person}`.

    Args:
        photos: photos; one in a folder of another name is left out.
        people: names of the people whom the classifier tells apart.
    """
    given = list(photos)
    folders = [photo.parent.name for photo in given]
    owners = same_identities(people, folders) | {name: normal(name) for name in folders if normal(name) in people}
    return {photo: owners[photo.parent.name] for photo in given if photo.parent.name in owners}


def label_photos(answers: Faces, people: Sequence[str], policy: Policy = "centred") -> LabelledPhotos:
    """Group the answers by photo, and take the faces that count.

    A photo shows the person whose name its folder has. The folder does not say whose each face is.

    - The photo is named correctly if a face that counts gets the person's name.
    - It is unknown if none of them is named.
    - Otherwise it is named as somebody else.
    - If the folder's name is not an enrolled one, a photo with a named face is a false accept.
    - Photos without a usable face are not counted.

    Args:
        answers: answers for all faces of all photos.
        people: names of the people whom the classifier tells apart.
        policy: way to count a photo with several faces, from `POLICIES`.
    """
    photos: dict[Path, list[Identification]] = {}
    for answer in answers:
        photos.setdefault(answer.face.photo, []).append(answer)
    seen = {photo: faces for photo, faces in photos.items() if faces[0].score is not None}
    kept = {photo: faces for photo, faces in seen.items() if policy != "one" or len(faces) == 1}
    owners = owners_of(kept, people)
    main = _main_faces(kept, policy)
    labelled = [
        Labelled(owners.get(photo), photo.parent.name, tuple(faces if place is None else [faces[place]]))
        for (photo, faces), place in zip(kept.items(), main, strict=True)
    ]
    further = [
        (face, owners.get(photo))
        for (photo, faces), place in zip(kept.items(), main, strict=True)
        for number, face in enumerate(faces)
        if place is not None and number != place
    ]
    return LabelledPhotos(
        tuple(photo for photo in labelled if photo.owner is not None),
        tuple(photo for photo in labelled if photo.owner is None),
        tuple(further),
        len(photos) - len(seen),
        len(seen) - len(kept),
        policy,
    )


def _main_faces(photos: dict[Path, list[Identification]], policy: Policy) -> list[int | None]:
    """Return the place of the face that counts in each photo; None if all of its faces do."""
    if policy == "each":
        return [None] * len(photos)
    several = [photo for photo, faces in photos.items() if len(faces) > 1]
    sizes = {photo: record.size for photo, record in inspect_images(several).items()} if policy == "centred" else {}
    return [_main_face(faces, sizes.get(photo)) if len(faces) > 1 else 0 for photo, faces in photos.items()]


def _main_face(faces: Sequence[Identification], size: tuple[int, int] | None) -> int:
    """Return the place of the largest face; with the photo's width and height, it prefers the centre."""
    boxes = np.array([face.face.box for face in faces], np.float64)  # [n, 4]
    if size is not None:
        return choose(boxes, size[1], size[0])
    return int(np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))
