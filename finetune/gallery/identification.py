"""Identification of faces in photos: detection, embedding, and a name or "unknown" for each face."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.arrays import Floats, Labels, unit_rows
from finetune.embedding import Embedder
from finetune.errors import DataError, Problem
from finetune.gallery.calibration import Threshold
from finetune.gallery.classifiers import Classifier, SoftmaxHead
from finetune.gallery.decisions import Decisions, person_key
from finetune.gallery.prototypes import NOBODY, Best, two_best
from finetune.images import Pixels, hash_image, inspect_images
from finetune.model import EmbeddingModel
from finetune.names import UNKNOWN
from finetune.paths import Place, as_paths, find_images, in_one_line

if TYPE_CHECKING:
    from finetune.align import Alignment, RecordedFace

AT_ONCE = 1024
"""Faces whose scores of all people are in memory at once."""
Box = tuple[float, float, float, float]
COLUMNS = (
    "photo", "face", "left", "top", "right", "bottom",
    "name", "nearest", "score", "runner_up", "runner_up_score", "margin", "problem",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Face:
    """Face to be named.

    Attributes:
        photo: file that shows the face.
        root: folder that was given, or the photo's own.
        crop: aligned face, a file or uint8 [s, s, 3]; None if there is no usable face.
        number: number of the face in the photo, from 1.
        box: left, top, right, bottom in the photo, in pixels; None if the photo is itself the crop.
        problem: reason why there is no crop.
        found: what the detector found; None if the photo is itself the crop.
    """

    photo: Path
    root: Path
    crop: Path | Pixels | None = dataclasses.field(compare=False, repr=False)
    number: int = 1
    box: Box | None = None
    problem: str = ""
    found: RecordedFace | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def within(self) -> str:
        """Path of the photo relative to the folder that was given."""
        return self.photo.relative_to(self.root).as_posix()


@dataclasses.dataclass(frozen=True)
class Identification:
    """Answer for one face.

    Attributes:
        face: face that was to be named.
        name: name of a person, or `unknown`; empty if there was no face to name.
        score: highest score, above the threshold or not; None if there was no face.
        best: person with the highest score; None if there was no face.
        runner_up: person with the second highest score; None if there is none.
        runner_up_score: score of the runner-up.
        own_rank: rank of the person whom the photo is known to show, from 1; None if that is not known.
    """

    face: Face
    name: str = ""
    score: float | None = None
    best: str | None = None
    runner_up: str | None = None
    runner_up_score: float | None = None
    own_rank: int | None = None

    @property
    def margin(self) -> float | None:
        """Difference between the highest score and the runner-up's; None without a runner-up."""
        if self.score is None or self.runner_up_score is None:
            return None
        return self.score - self.runner_up_score

    def __str__(self) -> str:
        where = in_one_line(self.face.photo) + (f", face {self.face.number}" if self.face.box else "")
        if self.score is None:
            return f"{where}: {self.face.problem}"
        nearest = f", nearest {self.best}" if self.name == UNKNOWN else ""
        runner_up = f"; runner-up {self.runner_up} {self.runner_up_score:.3f}" if self.runner_up else ""
        margin = f", margin {self.margin:.3f}" if self.margin is not None else ""
        return f"{where}: {self.name}{nearest} {self.score:.3f}{runner_up}{margin}"


@contextlib.contextmanager
def faces_of(
    photos: Place | Iterable[Place],
    model: EmbeddingModel,
    *,
    detect: bool,
    min_face_size: int = 20,
) -> Iterator[list[Face]]:
    """Find the faces in photos and folders of photos; the crops are valid within the context.

    Args:
        photos: one or several paths.
        detect: True to find all faces in each photo; False if each file is an aligned face.
        min_face_size: side of the smallest face to detect, in pixels.

    Raises:
        DataError: there is nothing at a path.
    """
    size = model.preprocessing.image_size
    places = as_paths(photos)
    if not detect:
        yield [face for given in places for face in _crops(given, size)]
        return
    from finetune.align import Alignment

    alignment = Alignment(size=size, all_faces=True, min_face_size=min_face_size)
    with tempfile.TemporaryFile() as file:  # unnamed: nothing remains, however this process ends
        yield list(_detected(places, alignment, file))


def identify(
    faces: Sequence[Face],
    model: EmbeddingModel,
    people: Sequence[str],
    classifier: Classifier,
    threshold: Threshold,
    owners: Mapping[Path, str] | None = None,
    decisions: Decisions | None = None,
) -> list[Identification]:
    """Return an answer for each face, in the same order.

    Args:
        people: names of the classifier's labels.
        classifier: fitted classifier. A `SoftmaxHead` gets prelogits, the others get unit embeddings.
        threshold: score that a named face must exceed.
        owners: person whom a photo is known to show. The answers for its faces have that person's rank.
        decisions: the gallery's decisions. A face that was removed from a person is not named as that person.
    """
    seen = [face for face in faces if face.crop is not None]
    answers = {face: Identification(face) for face in faces}
    if seen:
        # No cache: embeddings of faces that nobody enrolled are not kept on disk.
        embedder, crops = Embedder(model, cache="off"), [face.crop for face in seen if face.crop is not None]
        rows = embedder.prelogits(crops) if isinstance(classifier, SoftmaxHead) else embedder.embeddings(crops)
        denied = _denied(crops, rows, people, decisions)
        best = _decided(classifier.best(rows), classifier, rows, denied)
        places = {person: label for label, person in enumerate(people)}
        own = np.array([places[owners[face.photo]] if owners and face.photo in owners else NOBODY for face in seen])
        placed = own_ranks(classifier, rows, own, best.labels[:, 0])
        for face, (first, second), (score, next_score), rank, not_them in zip(
            seen, best.labels.tolist(), best.scores.tolist(), placed.tolist(), denied, strict=True
        ):
            name = people[first] if score > threshold.value and not not_them[first] else UNKNOWN
            second_name, second_score = (None, None) if second == NOBODY else (people[second], next_score)
            answers[face] = Identification(face, name, score, people[first], second_name, second_score, rank or None)
    return [answers[face] for face in faces]


def own_ranks(classifier: Classifier, rows: Floats, own: Labels, first: Labels) -> Labels:
    """Return the rank of each face's own person, from 1; 0 where that person is not known.

    Args:
        rows: input of the classifier, [m, E].
        own: label of each face's own person, int64 [m]; `NOBODY` if it is not known.
        first: label of the person who scores highest, int64 [m].
    """
    found = np.zeros(len(rows), np.int64)
    known = np.flatnonzero(own != NOBODY)
    if not len(known):
        return found
    from finetune.identification import ranks

    for block in np.split(known, range(AT_ONCE, len(known), AT_ONCE)):
        columns = np.searchsorted(classifier.classes_, own[block])
        # The decision for the first place is exact; scores of all people may be rounded otherwise.
        behind = np.maximum(ranks(classifier.scores(rows[block]), columns), 2)
        found[block] = np.where(own[block] == first[block], 1, behind)
    return found


def _denied(
    crops: Sequence[Path | Pixels], rows: Floats, people: Sequence[str], decisions: Decisions | None
) -> npt.NDArray[np.bool_]:
    """Return which people each face does not show, by the owner's decisions, [m, people]."""
    denied = np.zeros([len(crops), len(people)], bool)
    if decisions is None or not len(decisions):
        return denied
    digests = [(hash_image(crop).digest if isinstance(crop, Path) else None) or b"" for crop in crops]
    keys = list(map(person_key, people))
    for face, names in enumerate(decisions.denied(digests, unit_rows(rows))):
        denied[face] = [key in names for key in keys]
    return denied


def _decided(best: Best, classifier: Classifier, rows: Floats, denied: npt.NDArray[np.bool_]) -> Best:
    """Return the two best people for each face, without those whom it does not show, if anybody is left.

    Args:
        denied: which people each face does not show, [m, people].
    """
    columns = denied[:, classifier.classes_]
    faces = np.flatnonzero(columns.any(axis=1) & ~columns.all(axis=1))
    if not len(faces):
        return best
    scores = np.where(columns[faces], -np.inf, classifier.scores(rows[faces]))
    chosen = two_best(scores, classifier.classes_)
    labels, values = best.labels.copy(), best.scores.copy()
    labels[faces], values[faces] = np.where(np.isfinite(chosen.scores), chosen.labels, NOBODY), chosen.scores
    return Best(labels, values)


def write_csv(path: Path, answers: Sequence[Identification]) -> None:
    """Write one line per face, with the columns `COLUMNS`; unknown faces have `nearest` and `score` too.

    Raises:
        RunError: the file can't be written.
    """
    from finetune.cells import csv_text

    rows: list[Sequence[object]] = [COLUMNS]
    for answer in answers:
        face = answer.face
        numbers = [answer.score, answer.runner_up_score, answer.margin]
        score, next_score, margin = ("" if number is None else f"{number:.6f}" for number in numbers)
        box = [f"{side:.1f}" for side in face.box] if face.box else [""] * 4
        answered = [answer.name, answer.best or "", score, answer.runner_up or "", next_score, margin, face.problem]
        rows.append([in_one_line(face.photo), "" if face.problem else face.number, *box, *answered])
    files.write_text(path, csv_text(rows))


def _crops(given: Path, size: int) -> list[Face]:
    found = find_images(given)
    root = given if given.is_dir() else given.parent
    reasons = {path: record.unusable(size) or "" for path, record in inspect_images(found).items()}
    return [Face(path, root, None if reason else path, problem=reason) for path, reason in reasons.items()]


def _detected(places: Sequence[Path], alignment: Alignment, file: BinaryIO) -> list[Face]:
    """Find the faces in photos, and write their crops to the file: they may not fit in memory."""
    from finetune.align import RecordedFace, cut

    faces: list[Face] = []
    for given in places:
        root = given if given.is_dir() else given.parent
        for outcome, crops in cut(given, alignment):
            photo = root / outcome.photo
            if outcome.failure or outcome.faces is None:
                faces.append(Face(photo, root, None, problem=outcome.failure))
                continue
            each = zip(crops, outcome.faces.boxes, outcome.faces.scores, outcome.faces.landmarks, strict=True)
            for number, (crop, box, score, landmarks) in enumerate(each, 1):
                file.write(crop.tobytes())
                left, top, right, bottom = box.tolist()
                found = RecordedFace(box, float(score), landmarks, alignment.size)
                faces.append(Face(photo, root, crop[:0], number, (left, top, right, bottom), found=found))
    if not file.tell():
        return faces
    file.flush()
    kept = iter(np.memmap(file, np.uint8, "r").reshape(-1, alignment.size, alignment.size, 3))
    return [face if face.crop is None else dataclasses.replace(face, crop=next(kept)) for face in faces]


def refuse_nothing(faces: Sequence[Face]) -> None:
    """Raise an error if no photo has a usable face.

    Raises:
        DataError: there is no usable face.
    """
    if all(face.crop is None for face in faces):
        first = faces[0]
        raise DataError(
            Problem(
                in_one_line(first.photo),
                f"{first.problem}; there is no face to name",
                "give aligned faces, or photos with --align",
            )
        )
