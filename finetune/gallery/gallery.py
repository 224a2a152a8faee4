"""Gallery of enrolled people: one embedding and label per photo, and the changes that its owner makes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from finetune.arrays import Labels
from finetune.brief import Brief
from finetune.errors import SHOWN, DataError, Problem
from finetune.gallery.contract import Contract
from finetune.gallery.decisions import Decisions, person_key
from finetune.gallery.mapping import MapCertificate
from finetune.gallery.photos import Embeddings, Photos, Source
from finetune.names import normal, shown, spelling, why_unusable


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Gallery(Brief):
    """Enrolled people, and strangers for calibration. A gallery is immutable: each change returns a new one.

    Attributes:
        contract: model and preprocessing of the embeddings.
        people: names, in the order of enrolment; a label is an index into them.
        labels: label of each photo, int64 [n].
        photos: photos of the enrolled people, n rows.
        stranger_labels: number of the stranger in each of their photos, int64 [s], from 0; names are not kept.
        strangers: photos of people who are not enrolled, s rows.
        certificates: certificates of the maps that embeddings have gone through, the oldest first.
        decisions: faces that were removed from a person. They are never enrolled under that person again.
    """

    contract: Contract
    people: tuple[str, ...]
    labels: Labels
    photos: Photos
    stranger_labels: Labels
    strangers: Photos
    certificates: tuple[MapCertificate, ...] = ()
    decisions: Decisions = dataclasses.field(default_factory=Decisions.none)

    def __len__(self) -> int:
        return len(self.photos)

    @classmethod
    def empty(cls, contract: Contract, embedding_size: int) -> Gallery:
        """Return a gallery of nobody."""
        nobody = np.empty(0, np.int64)
        return cls(contract, (), nobody, Photos.none(embedding_size), nobody, Photos.none(embedding_size))

    @property
    def embedding_size(self) -> int:
        """Number of values per embedding."""
        return self.photos.embeddings.shape[1]

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings of the enrolled people's photos, float32 [n, E]."""
        return self.photos.embeddings

    @property
    def n_mapped(self) -> int:
        """Number of photos, those of strangers included, whose embeddings were mapped from another checkpoint's."""
        return int(np.count_nonzero(self.photos.maps) + np.count_nonzero(self.strangers.maps))

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the number of photos per person, [people]."""
        return np.bincount(self.labels, minlength=len(self.people)).astype(np.int64)

    def label(self, name: str) -> int:
        """Return a person's label; a name that is not found as written is looked up in other spellings.

        Raises:
            DataError: nobody has this name, or several people do.
        """
        written = normal(name)
        if written in self.people:
            return self.people.index(written)
        alike = [person for person in self.people if spelling(person) == spelling(name) != ""]
        if len(alike) == 1:
            return self.people.index(alike[0])
        several = f"it may be {' or '.join(map(shown, alike))}: give one of them as it is written"
        advice = several if alike else self._some_names()
        raise DataError(Problem(shown(name), "nobody of that name is enrolled", advice))

    def add(self, names: Sequence[str], photos: Photos) -> Gallery:
        """Return the gallery with photos enrolled under these names, one name per photo.

        Photos that are enrolled already keep their person. A face that was removed from its person is left out.
        Strangers who have one of the photos are removed.

        Raises:
            DataError: a name can't be used, one line each, or the embeddings have another size.
        """
        names = [normal(name) for name in names]
        problems = [problem for name in dict.fromkeys(names) if (problem := why_unusable(name))]
        if problems:
            raise DataError(*problems)
        self._refuse_size(photos)
        denied = self.decisions.denied(photos.hashes(), photos.embeddings)
        allowed = [row for row, name in enumerate(names) if person_key(name) not in denied[row]]
        names, photos = [names[row] for row in allowed], photos.take(np.array(allowed, np.intp))
        keys, known = photos.hashes(), set(self.photos.hashes())
        first = {digest: row for row, digest in reversed(list(enumerate(keys))) if digest not in known}
        new = sorted(first.values())
        order = {name: label for label, name in enumerate(self.people)}
        labels = np.array([order.setdefault(names[row], len(order)) for row in new], np.int64)
        enrolled = dataclasses.replace(
            self,
            people=tuple(order),
            labels=np.concatenate([self.labels, labels]),
            photos=self.photos.joined(photos.take(np.array(new, np.intp))),
        )
        return enrolled._without_strangers(set(keys))

    def add_strangers(self, labels: Labels, photos: Photos) -> Gallery:
        """Return the gallery with more strangers; photos that it has already and enrolled people are left out.

        Args:
            labels: number of the new stranger in each photo, int64 [s].

        Raises:
            DataError: the embeddings have another size.
        """
        self._refuse_size(photos)
        known = set(self.strangers.hashes())
        new = np.array([key not in known for key in photos.hashes()], bool)
        first = int(self.stranger_labels.max(initial=-1)) + 1
        places = np.unique(labels[new], return_inverse=True)[1].astype(np.int64)
        found = dataclasses.replace(
            self,
            stranger_labels=np.concatenate([self.stranger_labels, first + places]),
            strangers=self.strangers.joined(photos.take(new)),
        )
        return found._without_strangers(set(self.photos.hashes()))

    def without_strangers(self) -> Gallery:
        """Return the gallery without strangers."""
        nobody = np.empty(0, np.int64)
        return dataclasses.replace(self, stranger_labels=nobody, strangers=Photos.none(self.embedding_size))

    def rename(self, old: str, new: str) -> Gallery:
        """Return the gallery with a person renamed, in the decisions too.

        Raises:
            DataError: nobody has the old name, somebody has the new name, the new name can't be used, or a photo was
                removed from a person of the new name.
        """
        label, new = self.label(old), normal(new)
        problem = why_unusable(new)
        if new == self.people[label]:
            problem = Problem(shown(new), "is the name already", "give another")
        elif problem is None and new in self.people:
            merge = f"--merge {shown(old)!r} {shown(new)!r} makes the two one"
            problem = Problem(shown(new), "is enrolled already", merge)
        if problem is not None:
            raise DataError(problem)
        people, decisions = (*self.people[:label], new, *self.people[label + 1 :]), self.decisions
        renamed = decisions.renamed(self.people[label], new)
        return dataclasses.replace(self, people=people, decisions=renamed)._agreeing(self)

    def merge(self, other: str, into: str) -> Gallery:
        """Return the gallery with one person's photos, and the decisions about them, moved to another person.

        Raises:
            DataError: a person is not enrolled, both are the same, or a photo was removed from one of them.
        """
        gone, kept = self.label(other), self.label(into)
        if gone == kept:
            raise DataError(Problem(shown(into), "can't be merged with the same person", "name two"))
        decisions = self.decisions.renamed(self.people[gone], self.people[kept])
        merged = self._relabelled(np.where(self.labels == gone, kept, self.labels))
        return dataclasses.replace(merged, decisions=decisions)._agreeing(self)

    def remove(self, name: str) -> Gallery:
        """Return the gallery without a person, their photos, and the decisions about them.

        Decisions that a photo of theirs is not somebody else's keep its digest alone.

        Raises:
            DataError: nobody has this name, or several people do.
        """
        others = self.decisions.without(name)
        if len(others) < len(self.decisions) and person_key(name) not in map(person_key, self.people):
            return dataclasses.replace(self, decisions=others)  # their last photo was removed before
        label = self.label(name)
        theirs = set(self.photos.take(self.labels == label).hashes())
        left = self.decisions.without(self.people[label]).by_digest_alone(theirs)
        return dataclasses.replace(self._only(self.labels != label), decisions=left)

    def row(self, photo: str) -> int:
        """Return the row of one photo.

        Args:
            photo: `PERSON/FILE`, where FILE is the file's name or the first digits of the photo's sha256.

        Raises:
            DataError: no photo has this name, or several do.
        """
        name, slash, file = photo.partition("/")
        if not slash:
            raise DataError(Problem(shown(photo), "not a photo", "give PERSON/FILE"))
        rows = np.flatnonzero(self.labels == self.label(name))
        theirs = self.photos.take(rows)
        found = theirs.called(file)
        if not found:
            some = ", ".join(map(shown, theirs.names()[:5])) + (", …" if len(theirs) > 5 else "")
            raise DataError(Problem(shown(photo), f"{shown(name)} has no photo of that name", f"enrolled are {some}"))
        if len(found) > 1:
            each = ", ".join(f"{shown(name)}/{theirs.hashes()[place].hex()[:12]}" for place in found)
            raise DataError(
                Problem(shown(photo), f"{len(found)} photos have that name", f"give one by its sha256: {each}")
            )
        return int(rows[found[0]])

    def photo_name(self, row: int) -> str:
        """Return a photo's name, `PERSON/FILE`, as `row` takes it."""
        return f"{self.people[self.labels[row]]}/{self.photos.take(np.array([row])).names()[0]}"

    def remove_photo(self, photo: str) -> Gallery:
        """Return the gallery without one photo, and without its person if it was their last photo.

        The gallery remembers that the face is not this person: neither this photo nor a copy of it is enrolled under
        them again, until `take_back`.

        Raises:
            DataError: no photo has this name, or several do.
        """
        row = self.row(photo)
        return dataclasses.replace(self._only(np.arange(len(self)) != row), decisions=self._denied(row))

    def take_back(self, photo: str) -> Gallery:
        """Return the gallery without the decision that a photo does not show a person.

        Args:
            photo: `PERSON/FILE`, where FILE is the file's name or the first digits of the photo's sha256.

        Raises:
            DataError: no such photo was removed, or several were.
        """
        row = self.decisions.row(photo)
        return dataclasses.replace(self, decisions=self.decisions.take(np.arange(len(self.decisions)) != row))

    def move_photo(self, photo: str, into: str) -> Gallery:
        """Return the gallery with one photo moved to another person, without a person who has no photo left.

        The gallery remembers that the face is not the first person, as `remove_photo` does.

        Raises:
            DataError: no photo has this name, several do, the other person is not enrolled or the same, or the photo
                was removed from that person.
        """
        row, label = self.row(photo), self.label(into)
        if self.labels[row] == label:
            raise DataError(Problem(shown(photo), f"is {shown(into)}'s already", "name another person"))
        labels = self.labels.copy()
        labels[row] = label
        return dataclasses.replace(self._relabelled(labels)._agreeing(self), decisions=self._denied(row))

    def conflicts(self) -> list[int]:
        """Return the rows of photos that count as a face which was removed from their person: copies of it."""
        if not len(self.decisions):
            return []
        denied = self.decisions.denied(self.photos.hashes(), self.embeddings)
        return [row for row, label in enumerate(self.labels.tolist()) if person_key(self.people[label]) in denied[row]]

    def found_at(self, sources: Mapping[bytes, Source]) -> Gallery:
        """Return the gallery with new paths, by digest, for the photos whose files are not at their old paths."""
        paths, originals = self.photos.paths.tolist(), self.photos.originals.copy()
        for row, digest in enumerate(self.photos.hashes()):
            if digest in sources and not (paths[row] and os.path.isfile(paths[row])):
                paths[row], originals[row] = sources[digest].path, np.frombuffer(sources[digest].digest, np.uint8)
        if paths == self.photos.paths.tolist():
            return self
        return dataclasses.replace(
            self, photos=dataclasses.replace(self.photos, paths=np.array(paths, "S"), originals=originals)
        )

    def _denied(self, row: int) -> Decisions:
        """Return the decisions with one more: a photo does not show its person."""
        return self.decisions.add(self.people[self.labels[row]], self.photos.take(np.array([row])))

    def _agreeing(self, before: Gallery) -> Gallery:
        """Return the gallery, unless a change has put a removed face under its person again.

        Raises:
            DataError: it has; one line per photo.
        """
        known = {before.photos.hashes()[row] for row in before.conflicts()}
        digests = self.photos.hashes()
        rows = [row for row in self.conflicts() if digests[row] not in known]
        if rows:
            advice = "remove the photo first, or take the decision back (finetune gallery --take-back)"
            found = "the same face was removed from this person"
            raise DataError(*(Problem(shown(self.photo_name(row)), found, advice) for row in rows[:SHOWN]))
        return self

    def _only(self, kept: npt.NDArray[np.bool_]) -> Gallery:
        """Return the gallery with only some of its photos."""
        return dataclasses.replace(self, photos=self.photos.take(kept))._relabelled(self.labels[kept])

    def _relabelled(self, labels: Labels) -> Gallery:
        """Return the gallery with other labels for the photos, and without the people who have none left."""
        left, places = np.unique(labels, return_inverse=True)
        people = tuple(self.people[label] for label in left)
        return dataclasses.replace(self, people=people, labels=places.astype(np.int64))

    def _without_strangers(self, keys: set[bytes]) -> Gallery:
        """Return the gallery without the strangers who have a photo with one of these digests."""
        known = np.array([key in keys for key in self.strangers.hashes()], bool)
        if not known.any():
            return self
        kept = ~np.isin(self.stranger_labels, self.stranger_labels[known])
        labels = np.unique(self.stranger_labels[kept], return_inverse=True)[1].astype(np.int64)
        return dataclasses.replace(self, stranger_labels=labels, strangers=self.strangers.take(kept))

    def _refuse_size(self, photos: Photos) -> None:
        size = photos.embeddings.shape[1]
        if size != self.embedding_size:
            raise DataError(
                Problem(
                    "",
                    f"embeddings of {size} values, where the gallery's have {self.embedding_size}: of another network",
                    "enrol them in a gallery of their own",
                )
            )

    def _some_names(self) -> str:
        if not self.people:
            return "the gallery is empty"
        return "enrolled are " + ", ".join(self.people[:5]) + (", …" if len(self.people) > 5 else "")
