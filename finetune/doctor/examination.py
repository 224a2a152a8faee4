"""Examination of a folder: one pass over the files, then the findings of each part of the doctor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune.align import recorded_faces
from finetune.dataset import Layout, layout
from finetune.doctor import enlarged, identities, links, overlap
from finetune.doctor.copies import copies, likeness_of
from finetune.doctor.duplicates import Duplicates
from finetune.doctor.embedded import Embedded
from finetune.doctor.finding import Finding, in_order
from finetune.doctor.report import Report
from finetune.doctor.thumbnails import Thumbnails
from finetune.images import too_small
from finetune.names import look_the_same, spelled_alike
from finetune.paths import in_one_line
from finetune.verification import ImagePairs

if TYPE_CHECKING:
    from finetune.model import EmbeddingModel

IMAGE_SIZE = 160
LARGEST = 1.25
"""Largest side of an aligned image, as a multiple of the crop. FaceNet's training images have 182 pixels for a crop of
160, which is 1.14 times. LFW's originals have 1.56 times."""


def examine(
    folder: str | os.PathLike[str],
    *,
    crop: int | None = None,
    min_images: int = 2,
    model: EmbeddingModel | None = None,
    lfw: ImagePairs | None = None,
    inspect: Callable[[Sequence[Path]], Thumbnails] = Thumbnails,
    near_copies: bool = True,
) -> Report:
    """Examine a folder that holds one folder of images per person; nothing is changed.

    People and files are recognized as in `finetune.dataset.scanning`. A folder that it refuses is examined too.

    Args:
        folder: folder of the dataset.
        crop: side of the crop in training, in pixels; by default that of the model, else 160.
        min_images: people with fewer usable images are reported.
        model: model for the checks by face; each image is embedded once, through the cache.
        lfw: pairs that the model will be evaluated on.
        inspect: function that reads files: the folder's, and those of the pairs.
        near_copies: True to find copies with different bytes too. The time grows with the square of the number of
            images.

    Raises:
        DataError: the folder is missing or can't be opened.
    """
    crop = crop or (model.preprocessing.image_size if model else IMAGE_SIZE)
    found = layout(folder)
    images = inspect(found.every)
    of_lfw = inspect(lfw.paths) if lfw else None
    return Examination(found, images, crop, min_images, model, of_lfw, near_copies=near_copies).report()


def may_be_aligned(sizes: npt.NDArray[np.int64], crop: int) -> npt.NDArray[np.bool_]:
    """Return for each image whether it can be an aligned face by its size, which is all that this looks at.

    Args:
        sizes: width and height of the images, in pixels, [n, 2].
        crop: side of the crop in training, in pixels.
    """
    return _large_enough(sizes, crop) & _shaped_as_crops(sizes, crop)


def _large_enough(sizes: npt.NDArray[np.int64], crop: int) -> npt.NDArray[np.bool_]:
    return sizes.min(1, initial=np.iinfo(np.int64).max) >= crop


def _shaped_as_crops(sizes: npt.NDArray[np.int64], crop: int) -> npt.NDArray[np.bool_]:
    return (sizes[:, 0] == sizes[:, 1]) & (sizes.max(1, initial=0) <= LARGEST * crop)


class Examination:
    """Examination of one folder; `report` runs it."""

    def __init__(
        self,
        layout: Layout,
        images: Thumbnails,
        crop: int,
        min_images: int,
        model: EmbeddingModel | None,
        lfw: Thumbnails | None,
        *,
        near_copies: bool,
    ) -> None:
        self._layout, self._images = layout, images
        self._near_copies = near_copies
        self._crop, self._min_images = crop, min_images
        self._model, self._lfw = model, lfw
        self._people = list(layout.files)
        number = {name: label for label, name in enumerate(self._people)}
        self._labels = np.array([number[path.parent.name] for path in images.paths], np.int64)
        self._sizes = images.sizes
        self._large_enough = _large_enough(self._sizes, crop)
        self._aligned = _shaped_as_crops(self._sizes, crop)
        self._notes: list[str] = []
        self._settings: dict[str, Any] = {"crop": crop, "min_images": min_images}

    def report(self) -> Report:
        """Run all checks, and return the report."""
        findings = [*self._files(), *self._shapes(), *self._counts(), *self._names()]
        findings += enlarged.findings(recorded_faces(self._layout.root))
        duplicates = Duplicates(
            self._images.paths,
            self._labels,
            self._sizes,
            copies(self._images, near=self._near_copies),
            2 * ~self._large_enough + ~self._aligned,
            lambda row, other: likeness_of(*self._images.read([row, other])),
        )
        if not self._near_copies:
            self._notes.append("near copies: not looked for; finetune doctor does")
        embedded = self._embed(self._model) if self._model else None
        findings += duplicates.findings(embedded.stays if embedded else lambda _: None)
        one_person = list(self._one_person(duplicates, embedded))
        findings += one_person
        if embedded:
            threshold = embedded.judged.threshold
            self._settings["mislabelled_above"] = None if np.isinf(threshold) else threshold
            folders = [{finding.path, finding.other} for finding in one_person]
            findings += [
                finding
                for finding in embedded.mislabelled()
                if finding.other and {finding.path.parent, finding.other.parent} not in folders
            ]
        if self._lfw:
            root, people = self._layout.root, self._people
            findings += overlap.findings(root, people, self._images, self._lfw, embedded)
        findings = self._without_needed(findings)
        files = sum(map(len, self._layout.files.values()))
        counts = len(self._people), files, len(self._images.paths)
        return Report(self._layout.root, *counts, in_order(findings), tuple(self._notes), self._settings)

    def _without_needed(self, findings: list[Finding]) -> list[Finding]:
        """Return the findings, without moving files that remaining files or the LFW pairs are links to."""
        suspects = {finding.path for finding in findings if finding.moves}
        files = (path for paths in self._layout.files.values() for path in paths if path not in suspects)
        needed = links.needed(suspects, [*files, *(self._lfw.records if self._lfw else ())]) if suspects else set()
        if needed:
            self._notes.append(
                f"{len(needed)} suspects are not moved: files that stay are links to them, or the same file"
            )
        return [replace(finding, moves=finding.moves and finding.path not in needed) for finding in findings]

    def _files(self) -> Iterator[Finding]:
        for misplaced in self._layout.misplaced:
            yield Finding("misplaced", misplaced.path, misplaced.reason)
        for path, record in self._images.records.items():
            if record.fault:
                yield Finding(record.fault.kind, path, record.fault.reason, moves=True)

    def _shapes(self) -> Iterator[Finding]:
        for path, (width, height) in zip(self._images.paths, self._sizes.tolist(), strict=True):
            side = min(width, height)
            if side < self._crop:
                yield Finding("too-small", path, too_small(width, height, self._crop), score=1 / side, moves=True)
            elif width != height:
                yield Finding("unaligned", path, f"{width}x{height} pixels, not square", score=max(width, height))
            elif side > LARGEST * self._crop:
                reason = f"{width}x{height} pixels, of which a crop of {self._crop} keeps the middle"
                yield Finding("unaligned", path, reason, score=side)

    def _counts(self) -> Iterator[Finding]:
        usable = np.bincount(self._labels[self._large_enough], minlength=len(self._people))
        for name, count in zip(self._people, usable.tolist(), strict=True):
            person = self._layout.root / name
            if not count:
                yield Finding("no-images", person, f"none of {len(self._layout.files[name])} files can be used")
            elif count < self._min_images:
                reason = f"{count} usable images where {self._min_images} are asked for"
                yield Finding("few-images", person, reason, score=-count)

    def _names(self) -> Iterator[Finding]:
        root, same = self._layout.root, look_the_same(self._people)
        for first, name in spelled_alike(self._people):
            shown = ascii(first) if (first, name) in same else in_one_line(first)
            reason = f"one name with {shown}; put one person's images into one folder, or rename one of two people"
            yield Finding("same-name", root / name, reason, root / first)

    def _one_person(self, duplicates: Duplicates, embedded: Embedded | None) -> Iterator[Finding]:
        root, people = self._layout.root, self._people
        for (a, b), number in duplicates.one_person.items():
            reason = f"one person with {people[b]}: {number} pictures lie in both"
            yield Finding("same-person", root / people[a], reason, root / people[b], score=1 + number)
        for a, b, cosine in identities.alike(embedded.centres()) if embedded else ():
            if (a, b) not in duplicates.one_person:
                reason = f"one person with {people[b]}: their faces are alike to {cosine:.2f}"
                yield Finding("same-person", root / people[a], reason, root / people[b], score=cosine)

    def _embed(self, model: EmbeddingModel) -> Embedded:
        """Embed the images that may be aligned and are large enough."""
        rows = np.flatnonzero(self._aligned & self._large_enough)
        if len(rows) < len(self._aligned):
            self._notes.append(
                f"{len(self._aligned) - len(rows)} images are too small or unaligned, and not judged by face"
            )
        embedded = Embedded(self._layout.root, self._people, self._images, self._labels, rows, model)
        if np.isinf(embedded.judged.threshold):
            self._notes.append(
                f"mislabelled: not looked for; it takes two people with {identities.LEAST} aligned images"
            )
        return embedded
