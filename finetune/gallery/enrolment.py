"""Enrolment of photos: those that a gallery lacks are embedded, and added to its current state."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finetune.brief import Brief
from finetune.dataset import Quarantined, layout
from finetune.embedding import Embedder
from finetune.errors import DataError, Problem
from finetune.gallery.contract import Contract
from finetune.gallery.contract_check import fitting
from finetune.gallery.decisions import person_key
from finetune.gallery.gallery import Gallery
from finetune.gallery.legacy import read_features
from finetune.gallery.lookalikes import Lookalikes, look_alike, usual
from finetune.gallery.photos import Photos, Source
from finetune.gallery.prototypes import NearestPrototype
from finetune.gallery.storage import read_gallery, update
from finetune.images import Fault, ImageRecord, Records, Size, hash_image, inspect_images, measure_all
from finetune.model import EmbeddingModel
from finetune.names import normal, same_identities, why_unusable
from finetune.paths import Place, find_images, image_paths, in_one_line

if TYPE_CHECKING:
    from finetune.recipe import Cache

ENROLLED, TRAINED = "enrolled: no stranger", "trained on: no stranger to this checkpoint"
People = Mapping[str, Place | Iterable[Place]]


@dataclasses.dataclass(frozen=True, repr=False)
class Enrolment(Brief):
    """Result of enrolling photos.

    Attributes:
        gallery: gallery as it was written.
        embedded: number of photos that are new.
        new_people: names of the people who are new.
        already: photos that were enrolled before, each with its enrolled name and the requested name.
        left_out: files that can't be used, with reasons.
        lookalikes: photos to check, because they look like somebody else.
        denied: photos that were not enrolled because their face was removed from that person, with the person's name.
        copies: photos with the content of a photo that was given before them, each with the name under which that one
            is enrolled and the requested name.
    """

    gallery: Gallery
    embedded: int
    new_people: tuple[str, ...]
    already: tuple[tuple[Path, str, str], ...]
    left_out: tuple[Quarantined, ...]
    lookalikes: tuple[Lookalikes, ...]
    denied: tuple[tuple[Path, str], ...] = ()
    copies: tuple[tuple[Path, str, str], ...] = ()


def enroll(
    path: Place,
    people: People,
    model: EmbeddingModel,
    cache: Cache = "auto",
    sources: Mapping[Path, Path] | None = None,
    boxed: Collection[Path] = (),
) -> Enrolment:
    """Add photos of people to a gallery, or create it; each photo is embedded once, through the cache.

    After embedding, the gallery is read again and replaced in one step. Several processes may enrol at once.
    A photo is identified by its content: a photo that is enrolled already stays unchanged, under any name.
    A face that was removed from a person is not enrolled under that person again, nor is a copy of it.

    Args:
        path: path of the gallery.
        people: `{name: images}`, where the images are one or several paths of aligned faces or of folders.
        model: model that the gallery was made with.
        cache: cache setting, as in a recipe.
        sources: original photo of each image that was cropped from one. The gallery stores its name and path instead.
        boxed: images that were cropped by a given box. The gallery stores no path for them: without the box, another
            face might be cut from the photo.

    Raises:
        DataError: a name can't be used, no photo can be used, or the gallery is of another model.
        RunError: the gallery can't be written; the previous one is intact.
    """
    path = Path(os.path.expanduser(path))
    problems = [problem for name in people if (problem := why_unusable(normal(name)))]
    if problems:
        raise DataError(*problems)
    before = open_for(path, model)
    given = [(normal(name), photo) for name, photos in people.items() for photo in image_paths(photos)]
    names = {key: before.people[label] for key, label in zip(before.photos.hashes(), before.labels, strict=True)}
    usable, left_out = _usable([photo for _, photo in given], model, names)
    new, already, copies, denied, places = _sorted(
        [(name, photo) for name, photo in given if photo in usable],
        usable,
        names,
        before,
        _Origins(sources or {}, boxed),
    )
    if not new and not already and not denied:
        nothing = Problem("", "no photo that can be used", "give aligned faces, or photos with --align")
        raise DataError(nothing, *(entry.problem for entry in left_out))
    if not new:
        if before.found_at(places) is not before:
            before = update(path, lambda now: _there(now, before).found_at(places))
        return Enrolment(before, 0, (), tuple(already), left_out, (), tuple(denied))
    whose, photos, keys = zip(*new, strict=True)
    files = [(sources or {}).get(photo, photo).name for photo in photos]
    added = Photos.of(Embedder(model, cache, usable).prelogits(photos), keys, files, [places[key] for key in keys])
    after = update(
        path, lambda now: fitting(_there(now, before), before.contract, path).add(whose, added).found_at(places)
    )
    rows = {key: row for row, key in enumerate(after.photos.hashes())}
    denied += [(photo, name) for name, photo, key in new if key not in rows]
    taken = [name for name, _, key in new if key in rows]
    return Enrolment(
        after,
        len(taken),
        tuple(name for name in dict.fromkeys(taken) if name not in before.people),
        tuple(already),
        left_out,
        tuple(look_alike(after, np.array([rows[key] for key in keys if key in rows]))) if taken else (),
        tuple(denied),
        tuple(copies),
    )


class _Origins(NamedTuple):
    """The origins of images that were cropped from photos.

    Attributes:
        sources: original photo of each image that was cropped from one.
        boxed: images that were cropped by a given box.
    """

    sources: Mapping[Path, Path]
    boxed: Collection[Path]

    def of(self, photo: Path, digest: bytes) -> Source:
        """Return the place of an image with this digest, as a gallery stores it."""
        if photo in self.boxed:
            return Source(b"", digest)
        source = self.sources.get(photo, photo)
        return Source.of(source, digest if source == photo else hash_image(source).digest or digest)


class _Sorted(NamedTuple):
    """Photos by what becomes of them.

    Attributes:
        new: name, path and digest of each photo to embed.
        already: photos that are enrolled, each with its enrolled name and the requested name.
        copies: photos with the content of one of the new ones, with names likewise.
        denied: photos whose face was removed from the person, with the person's name.
        places: place of each content.
    """

    new: list[tuple[str, Path, bytes]]
    already: list[tuple[Path, str, str]]
    copies: list[tuple[Path, str, str]]
    denied: list[tuple[Path, str]]
    places: dict[bytes, Source]


def _sorted(
    given: Iterable[tuple[str, Path]], usable: Records, names: dict[bytes, str], gallery: Gallery, origins: _Origins
) -> _Sorted:
    """Sort usable photos, given with their people, by what becomes of them.

    Args:
        names: person of each enrolled content; those of the new photos are added.
    """
    removed = gallery.decisions.by_digest()
    found = _Sorted([], [], [], [], {})
    enrolled = set(names)
    for name, photo in given:
        key = usable[photo].digest
        if key not in names and person_key(name) in removed.get(key, ()):
            found.denied.append((photo, name))
            continue
        if key not in found.places:
            found.places[key] = origins.of(photo, key)
        if key in names:
            (found.already if key in enrolled else found.copies).append((photo, names[key], name))
        else:
            names[key] = name
            found.new.append((name, photo, key))
    return found


@dataclasses.dataclass(frozen=True, repr=False)
class Strangers(Brief):
    """Result of adding strangers.

    Attributes:
        gallery: gallery as it was written.
        added: number of photos that are new.
        left_out: files and folders that can't be used, with reasons.
        lookalikes: files that look like an enrolled person, each with that person's name.
    """

    gallery: Gallery
    added: int
    left_out: tuple[Quarantined, ...]
    lookalikes: tuple[tuple[Path, str], ...]


def enroll_strangers(path: Place, folder: Place, model: EmbeddingModel, cache: Cache = "auto") -> Strangers:
    """Add strangers to a gallery for calibration: their embeddings are kept, not their names.

    Enrolled people are left out, by name or by photo. People in the checkpoint's class names are left out too: trained
    identities are less similar to others than strangers are.

    Args:
        folder: one folder per person, or images that each show a different person.

    Raises:
        DataError: nobody is left, or the gallery is of another model.
        RunError: the gallery can't be written; the previous one is intact.
    """
    path, folder = Path(os.path.expanduser(path)), Path(os.path.expanduser(folder))
    before = open_for(path, model)
    people, others = _strangers_in(folder, before, model)
    given = [(number, photo) for number, photos in enumerate(people) for photo in photos]
    usable, left_out = _usable([photo for _, photo in given], model)
    enrolled = set(before.photos.hashes())
    known = {number for number, photo in given if photo in usable and usable[photo].digest in enrolled}
    others += [Quarantined(people[number][0], ENROLLED) for number in sorted(known)]
    rows: dict[bytes, int] = {}  # digest -> row of the first file with this content
    for row, (number, photo) in enumerate(given):
        if photo in usable and number not in known:
            rows.setdefault(usable[photo].digest, row)
    if not rows:
        raise DataError(
            Problem(folder, "no stranger in it whose photo can be used", "give faces of people who are not enrolled"),
            *(entry.problem for entry in [*others, *left_out][:1]),
        )
    photos = [given[row][1] for row in rows.values()]
    labels = np.unique([given[row][0] for row in rows.values()], return_inverse=True)[1].astype(np.int64)
    added = Photos.of(Embedder(model, cache, usable).prelogits(photos), list(rows), ["" for _ in photos])
    after = update(path, lambda now: fitting(_there(now, before), before.contract, path).add_strangers(labels, added))
    lookalikes = tuple((photos[row], name) for row, name in _like_enrolled(after, added))
    new = len(set(rows) - set(before.strangers.hashes()))
    return Strangers(after, new, (*others, *left_out), lookalikes)


def _strangers_in(
    folder: Path, gallery: Gallery, model: EmbeddingModel
) -> tuple[list[Sequence[Path]], list[Quarantined]]:
    """Return the photos of each person in a folder (or single photos), and the people whose names are not strangers."""
    files = {} if folder.is_file() else layout(folder).files
    reasons = dict.fromkeys(same_identities(model.class_names, files), TRAINED)
    reasons |= dict.fromkeys(same_identities(gallery.people, files), ENROLLED)
    known = [
        Quarantined(photos[0].parent, reasons[name]) for name, photos in files.items() if photos and name in reasons
    ]
    people = [photos for name, photos in files.items() if name not in reasons]
    return people if files else [[image] for image in find_images(folder)], known


def _like_enrolled(gallery: Gallery, photos: Photos) -> list[tuple[int, str]]:
    """Return rows as similar to an enrolled person as photos of one person usually are, with that person's name."""
    if not gallery.people:
        return []
    prototypes = NearestPrototype().fit(gallery.embeddings, gallery.labels)
    best = prototypes.best(photos.embeddings)
    rows = np.flatnonzero(best.scores[:, 0] >= usual(prototypes, gallery))
    return [(int(row), gallery.people[best.labels[row, 0]]) for row in rows]


def open_for(path: Path, model: EmbeddingModel) -> Gallery:
    """Return the gallery at a path, or an empty one if there is none.

    Raises:
        DataError: the file is not a gallery, or is of another model.
    """
    contract = Contract.of(model)
    there = read_gallery(path) if path.exists() else Gallery.empty(contract, model.embedding_size)
    return fitting(there, contract, path)


def _usable(
    paths: Sequence[Path], model: EmbeddingModel, known: Collection[bytes] = ()
) -> tuple[Records, tuple[Quarantined, ...]]:
    """Return the records of usable files, and the unusable files. Known contents are not decoded again."""
    size = model.preprocessing.image_size

    def measure(records: Sequence[ImageRecord]) -> list[Size | Fault]:
        new = [record for record in records if record.digest not in known]
        found = dict(zip(new, measure_all(new), strict=True))
        return [found.get(record) or Size(size, size) for record in records]  # an enrolled image is large enough

    records = inspect_images(paths, measure)
    reasons = {path: reason for path, record in records.items() if (reason := record.unusable(size))}
    usable = {path: record for path, record in records.items() if path not in reasons}
    return usable, tuple(Quarantined(path, reason) for path, reason in reasons.items())


def _there(now: Gallery | None, before: Gallery) -> Gallery:
    """Return the current gallery, or an empty one if another process has removed it."""
    return Gallery.empty(before.contract, before.embedding_size) if now is None else now


def short(photo: Path) -> str:
    """Return a photo's folder and name; the rest of the path may be that of a cache."""
    return in_one_line(Path(*photo.parts[-2:]))


def import_features(path: Place, features: Place, model: EmbeddingModel) -> tuple[Gallery, int, int]:
    """Add embeddings that another tool has pickled, as `read_features` reads them.

    A row is identified by its values.

    Args:
        model: model that computed the embeddings; the file does not say.

    Returns:
        Gallery as it was written, number of new rows, and number of their people. Faces that were removed from a
        person are left out.

    Raises:
        DataError: the file or a name in it can't be used, or the gallery is of another model.
        RunError: the gallery can't be written; the previous one is intact.
    """
    path, features = Path(os.path.expanduser(path)), Path(os.path.expanduser(features))
    rows, names = read_features(features)
    before = open_for(path, model)
    keys = [hashlib.sha256(row.tobytes()).digest() for row in rows]
    added = Photos.of(rows, keys, [f"{features.name}[{row}]" for row in range(len(rows))])
    before.add(names, added)  # raises before anything is locked
    after = update(path, lambda now: fitting(_there(now, before), before.contract, path).add(names, added))
    new = set(after.photos.hashes()) - set(before.photos.hashes())
    owners = {normal(name) for key, name in zip(keys, names, strict=True) if key in new}
    return after, len(new.intersection(keys)), len(owners)
