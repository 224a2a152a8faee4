"""The enrolled people: an embedding a photo, whose it is, and what the embeddings were made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, NotFinite
from finetune.names import normal, shown, spelling, why_unusable
from finetune.preprocessing import Standardization

if TYPE_CHECKING:
    from finetune.model import Model

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Digests = npt.NDArray[np.uint8]
DIGEST = 32
"""Bytes of an image's digest, a sha256."""
LONGEST_FILE = 512
"""Bytes of a photo's name that are kept, the last ones."""
LEAST_NORM, MOST_NORM = 1e-10, 1e30
"""Between which prelogits have a direction that float32 holds; the least is FaceNet's epsilon."""


@dataclasses.dataclass(frozen=True)
class Contract:
    """What embeddings were made with. Those of another contract can't be compared with them.

    Attributes:
        checkpoint: its path, as a hint where to look for it.
        weights: a sha256 over all variables that an embedding depends on; the logits layer is none of them.
        image_size: side of the crop that the network takes, in pixels.
        standardization: of the pixels.
    """

    checkpoint: str
    weights: str
    image_size: int
    standardization: Standardization

    @classmethod
    def of(cls, model: Model) -> Contract:
        """A restored model's."""
        from finetune.model import is_head

        weights = model.weights_sha256([name for name in model.variables if not is_head(name)])
        contract = model.preprocessing
        return cls(str(model.source.prefix.absolute()), weights, contract.image_size, contract.standardization)

    def differences(self, other: Contract) -> str:
        """How the other contract differs, in words; empty where embeddings of both can be compared."""
        parts = []
        if self.weights != other.weights:
            parts.append(f"made with {self.checkpoint}, whose weights differ from those of {other.checkpoint}")
        for what in ("image_size", "standardization"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                parts.append(f"made with {what.replace('_', ' ')} {mine}, not {theirs}")
        return " and ".join(parts)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Photos(Brief):
    """Embedded photos, one a row.

    Attributes:
        embeddings: float32 [n, E], rows of unit length.
        norms: float32 [n], the lengths of the prelogits that they were brought from.
        digests: uint8 [n, 32], the sha256 of each image's bytes.
        files: [n], what each was called, as UTF-8 bytes.
    """

    embeddings: Embeddings
    norms: npt.NDArray[np.float32]
    digests: Digests
    files: npt.NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.embeddings)

    @classmethod
    def of(cls, prelogits: npt.NDArray[np.floating[Any]], digests: Sequence[bytes], files: Sequence[str]) -> Photos:
        """From prelogits [n, E], or embeddings, and a digest and a name a row.

        Raises:
            NotFinite: a row has no direction: it is zero, or holds what is no number.
        """
        norms = np.linalg.norm(prelogits.astype(np.float64), axis=1, keepdims=True)
        bad = np.flatnonzero(~((norms[:, 0] > LEAST_NORM) & (norms[:, 0] < MOST_NORM)))
        if len(bad):
            raise NotFinite(
                f"{shown(files[bad[0]])}: {len(bad)} of {len(norms)} embeddings are zero or no finite numbers; "
                "none was enrolled"
            )
        embeddings = (prelogits / norms).astype(np.float32)
        table = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
        names = [file.encode("utf-8", "replace")[-LONGEST_FILE:] for file in files]
        return cls(embeddings, norms[:, 0].astype(np.float32), table, np.array(names, "S"))

    @classmethod
    def none(cls, embedding_size: int) -> Photos:
        """No photo."""
        return cls.of(np.empty([0, embedding_size], np.float32), (), ())

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Photos:
        """These rows."""
        return Photos(self.embeddings[rows], self.norms[rows], self.digests[rows], self.files[rows])

    def joined(self, other: Photos) -> Photos:
        """This one's rows, then the other's."""
        return Photos(
            np.concatenate([self.embeddings, other.embeddings]),
            np.concatenate([self.norms, other.norms]),
            np.concatenate([self.digests, other.digests]),
            np.concatenate([self.files, other.files]),
        )

    def prelogits(self) -> Embeddings:
        """What the embeddings were brought from, to rounding: float32 [n, E]."""
        return self.embeddings * self.norms[:, np.newaxis]

    def hashes(self) -> list[bytes]:
        """The digests, each as bytes."""
        return self.digests.view(f"V{DIGEST}").ravel().tolist() if len(self) else []


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Gallery(Brief):
    """The enrolled people and, beside them, strangers to calibrate by; each change gives another gallery.

    Attributes:
        contract: what the embeddings were made with.
        people: their names, in the order of enrolment; a label is an index into them.
        labels: int64 [n], whose each photo is.
        photos: of the people, n of them.
        stranger_labels: int64 [s], from 0, which stranger each photo is of; their names are not kept.
        strangers: photos of people who are not enrolled, s of them.
    """

    contract: Contract
    people: tuple[str, ...]
    labels: Labels
    photos: Photos
    stranger_labels: Labels
    strangers: Photos

    def __len__(self) -> int:
        return len(self.photos)

    @classmethod
    def empty(cls, contract: Contract, embedding_size: int) -> Gallery:
        """Of nobody."""
        nobody = np.empty(0, np.int64)
        return cls(contract, (), nobody, Photos.none(embedding_size), nobody, Photos.none(embedding_size))

    @property
    def embedding_size(self) -> int:
        """Values of an embedding."""
        return self.photos.embeddings.shape[1]

    @property
    def embeddings(self) -> Embeddings:
        """Of the people's photos, float32 [n, E]."""
        return self.photos.embeddings

    def counts(self) -> npt.NDArray[np.int64]:
        """How many photos each person has, [people]."""
        return np.bincount(self.labels, minlength=len(self.people)).astype(np.int64)

    def label(self, name: str) -> int:
        """Return a person's label; a name that nobody has as it is written is looked for in other spellings.

        Raises:
            DataError: nobody is called that, or several are.
        """
        written = normal(name)
        if written in self.people:
            return self.people.index(written)
        alike = [person for person in self.people if spelling(person) == spelling(name) != ""]
        if len(alike) == 1:
            return self.people.index(alike[0])
        several = f"; it may be {' or '.join(map(shown, alike))}: give one of them as it is written"
        advice = several if alike else f"; {self._some_names()}"
        raise DataError(f"{shown(name)}: nobody of that name is enrolled{advice}")

    def add(self, names: Sequence[str], photos: Photos) -> Gallery:
        """With photos enrolled under these names, one a photo; those that are there already are left where they are.

        A stranger who has one of these photos is none any more.

        Raises:
            DataError: a name can't be used, or the embeddings have another size; one line each.
        """
        names = [normal(name) for name in names]
        problems = [
            f"{shown(name)}: {problem}" for name in dict.fromkeys(names) if (problem := why_unusable(name)) is not None
        ]
        if problems:
            raise DataError(*problems)
        self._refuse_size(photos)
        keys, known = photos.hashes(), set(self.photos.hashes())
        first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
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
        """With these strangers beside those before; photos that are there already, and enrolled people, stay out.

        Args:
            labels: int64 [s], which of the new strangers each photo is of.
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
        """Without any stranger."""
        nobody = np.empty(0, np.int64)
        return dataclasses.replace(self, stranger_labels=nobody, strangers=Photos.none(self.embedding_size))

    def rename(self, old: str, new: str) -> Gallery:
        """With a person under another name.

        Raises:
            DataError: nobody has the old name, somebody has the new one, or it can't be used.
        """
        label, new = self.label(old), normal(new)
        problem = why_unusable(new)
        if new == self.people[label]:
            problem = "is the name already; give another"
        elif problem is None and new in self.people:
            problem = f"is enrolled already; --merge {shown(old)!r} {shown(new)!r} makes the two one"
        if problem is not None:
            raise DataError(f"{shown(new)}: {problem}")
        return dataclasses.replace(self, people=(*self.people[:label], new, *self.people[label + 1 :]))

    def merge(self, other: str, into: str) -> Gallery:
        """With one person's photos under another's name.

        Raises:
            DataError: either is not enrolled, or both are one.
        """
        gone, kept = self.label(other), self.label(into)
        if gone == kept:
            raise DataError(f"{shown(into)}: can't be merged with the same person; name two")
        labels = np.where(self.labels == gone, kept, self.labels)
        return dataclasses.replace(
            self, people=(*self.people[:gone], *self.people[gone + 1 :]), labels=labels - (labels > gone)
        )

    def remove(self, name: str) -> Gallery:
        """Without a person, and without anything of theirs.

        Raises:
            DataError: nobody is called that.
        """
        gone = self.label(name)
        kept = self.labels != gone
        labels = self.labels[kept]
        return dataclasses.replace(
            self,
            people=(*self.people[:gone], *self.people[gone + 1 :]),
            labels=labels - (labels > gone),
            photos=self.photos.take(kept),
        )

    def _without_strangers(self, keys: set[bytes]) -> Gallery:
        """Without the strangers who have a photo of these digests."""
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
                f"embeddings of {size} values, where the gallery's have {self.embedding_size}: of another network; "
                "enrol them in a gallery of their own"
            )

    def _some_names(self) -> str:
        if not self.people:
            return "the gallery is empty"
        return "enrolled are " + ", ".join(self.people[:5]) + (", …" if len(self.people) > 5 else "")
