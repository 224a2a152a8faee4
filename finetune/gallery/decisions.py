"""Decisions of a gallery's owner: faces that do not show a person, because they were removed from that person."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.gallery.photos import Photos
from finetune.names import normal, shown, spelling

SAME_FACE = 0.9
"""Cosine similarity from which a face counts as a copy of a removed one: the same photo, saved or cut again."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Decisions(Brief):
    """Faces that do not show a person, one decision per row.

    Attributes:
        people: name of the person whom each face does not show; the person need not be enrolled.
        photos: photos of these faces, n rows. The embedding of a face that is known by its digest alone is zero.
    """

    people: tuple[str, ...]
    photos: Photos

    def __len__(self) -> int:
        return len(self.people)

    @classmethod
    def none(cls) -> Decisions:
        """Return no decisions."""
        return cls((), Photos.none(0))

    def add(self, person: str, photos: Photos) -> Decisions:
        """Return the decisions with some more faces that do not show a person; each is kept once."""
        known = set(zip(map(person_key, self.people), self.photos.hashes(), strict=True))
        new = [row for row, digest in enumerate(photos.hashes()) if (person_key(person), digest) not in known]
        if not new:
            return self
        added = photos.take(np.array(new, np.intp))
        return Decisions((*self.people, *[person] * len(new)), self.photos.joined(added) if len(self) else added)

    def renamed(self, old: str, new: str) -> Decisions:
        """Return the decisions about one person as decisions about another."""
        about = self._about(old)
        kept = self.take(~about)
        return kept.add(new, self.photos.take(about))

    def without(self, person: str) -> Decisions:
        """Return the decisions about other people."""
        return self.take(~self._about(person))

    def by_digest_alone(self, digests: set[bytes]) -> Decisions:
        """Return the decisions without what else is known of the photos with these digests."""
        rows = np.array([digest in digests for digest in self.photos.hashes()], bool)
        if not rows.any():
            return self
        part, blank = self.photos, ~rows
        photos = dataclasses.replace(
            part,
            embeddings=part.embeddings * blank[:, np.newaxis],
            norms=part.norms * blank,
            files=np.where(rows, b"", part.files),
            paths=np.where(rows, b"", part.paths),
            originals=np.where(rows[:, np.newaxis], part.digests, part.originals),
        )
        return Decisions(self.people, photos)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Decisions:
        """Return the decisions of some rows."""
        places = np.arange(len(self))[rows].tolist()
        return Decisions(tuple(self.people[row] for row in places), self.photos.take(rows)) if places else self.none()

    def name(self, row: int) -> str:
        """Return a decision's name, `PERSON/FILE`, as `row` takes it."""
        file = self.photos.take(np.array([row])).names()[0]
        return f"{self.people[row]}/{file or self.photos.hashes()[row].hex()[:12]}"

    def row(self, photo: str) -> int:
        """Return the row of one decision.

        Args:
            photo: `PERSON/FILE`, where FILE is the file's name or the first digits of the photo's sha256.

        Raises:
            DataError: no decision has this name, or several do.
        """
        name, _, file = photo.partition("/")
        rows = np.flatnonzero(self._about(name))
        found = rows[self.photos.take(rows).called(file)].tolist()
        if not found:
            some = ", ".join(shown(self.name(row)) for row in range(min(len(self), 5)))
            advice = f"decided are {some}{', …' if len(self) > 5 else ''}" if len(self) else "there is no decision"
            raise DataError(Problem(shown(photo), "no photo of that name was removed", advice))
        if len(found) > 1:
            each = ", ".join(f"{shown(name)}/{self.photos.hashes()[row].hex()[:12]}" for row in found)
            advice = f"give one by its sha256: {each}"
            raise DataError(Problem(shown(photo), f"{len(found)} photos of that name were removed", advice))
        return int(found[0])

    def by_digest(self) -> dict[bytes, set[str]]:
        """Return the keys of the people whom each photo does not show, by the photo's sha256."""
        found: dict[bytes, set[str]] = {}
        for person, digest in zip(self.people, self.photos.hashes(), strict=True):
            found.setdefault(digest, set()).add(person_key(person))
        return found

    def denied(self, digests: Sequence[bytes], embeddings: Floats) -> list[set[str]]:
        """Return the keys of the people whom each face does not show.

        Args:
            digests: sha256 of each face's image, empty if unknown.
            embeddings: unit embeddings of the faces, [m, E].
        """
        if not len(self):
            return [set() for _ in digests]
        people = self.by_digest()
        found = [set(people.get(digest, ())) for digest in digests]
        known = embeddings.astype(np.float32) @ self.photos.embeddings.T >= SAME_FACE
        for face, row in zip(*(part.tolist() for part in np.nonzero(known)), strict=True):
            found[face].add(person_key(self.people[row]))
        return found

    def _about(self, person: str) -> npt.NDArray[np.bool_]:
        return np.array([person_key(one) == person_key(person) for one in self.people], bool)


def person_key(person: str) -> str:
    """Return the text by which decisions compare people: all spellings of a name are one person."""
    return spelling(person) or normal(person)
