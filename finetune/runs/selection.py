"""Selection of people and images for training: without held-out identities, and without noisy images."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.brief import Brief
from finetune.dataset import (
    Dataset,
    Inspect,
    Scan,
    distances_to_center,
    hold_out,
    keep,
    places,
    scan,
    split_validation,
    threshold,
)
from finetune.doctor import LARGEST
from finetune.embedding import Embedder
from finetune.errors import DataError, Problem
from finetune.images import Records, size_notes, sizes_of
from finetune.model import Model
from finetune.names import same_identities
from finetune.recipe import Recipe
from finetune.runs.validation import Validation
from finetune.verification import LEAST, draw, enough
from finetune.words import counted


@dataclasses.dataclass(frozen=True, repr=False)
class Filtered(Brief):
    """Images and people that the filter left out.

    Attributes:
        threshold: distance to the class center from which images are left out.
        images: distances of the images left out, `{path: distance}`.
        people: people who were left out completely, because too few of their images remained.
    """

    threshold: float
    images: dict[Path, float]
    people: tuple[str, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class Selection(Brief):
    """People who are trained on, and people who are not.

    Attributes:
        scan: scan of the training folder, with only the people who are trained on.
        strangers: images of held-out identities; None if the recipe asks for none.
        known: people in a folder of strangers who are trained on, and so are not strangers.
        filtered: images that the filter left out; None if the recipe asks for no filter.
        warnings: reasons why the strangers' figures are uncertain, and advice, one sentence each.
        validation: images of a folder of their own to validate on; None if the recipe gives no folder.
    """

    scan: Scan
    strangers: Dataset | None = None
    known: tuple[str, ...] = ()
    filtered: Filtered | None = None
    warnings: tuple[str, ...] = ()
    validation: Validation | None = None

    def with_validation(self, found: Validation | None) -> Selection:
        """Return the selection with a folder's images of the people who are trained on.

        Raises:
            DataError: the folder has no image of them.
        """
        return dataclasses.replace(self, validation=found.of(self.scan.dataset)) if found else self

    def split(self, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
        """Return the training images and the validation images, which are held back if there is no folder of them."""
        if self.validation:
            return self.scan.dataset, self.validation.dataset
        return split_validation(self.scan.dataset, fraction, seed)

    @property
    def parts(self) -> dict[str, Sequence[Path]]:
        """The image files that are read, by the name of their part in the list of images."""
        strangers, validation = self.strangers, self.validation
        own = {"validation": validation.dataset.paths} if validation else {}
        return {"data": self.scan.dataset.paths, **own, "strangers": strangers.paths if strangers else ()}

    def summary(self) -> dict[str, Any]:
        """Return the summary for the run's folder; `sha256` covers the names of the strangers' images."""
        strangers, filtered = self.strangers, self.filtered
        return {
            "strangers": {
                "people": list(strangers.class_names) if strangers else [],
                "images": len(strangers) if strangers else 0,
                "known": list(self.known),
                "sha256": hashlib.sha256(names(strangers).encode()).hexdigest() if strangers else None,
            },
            "filter": {
                "threshold": filtered.threshold,
                "images": {str(path): distance for path, distance in filtered.images.items()},
                "people": list(filtered.people),
            }
            if filtered
            else None,
            **({"validation": self.validation.summary()} if self.validation else {}),
        }


def names(dataset: Dataset) -> str:
    """Return the paths of the images within their folder, one line per image."""
    return "\n".join(path.relative_to(dataset.root).as_posix() for path in dataset.paths)


def without_strangers(recipe: Recipe, scanned: Scan, crop: int | None, inspect: Inspect) -> Selection:
    """Hold identities out of training, if the recipe asks for it.

    Args:
        crop: side in pixels of the network's input, if known.
        inspect: function that reads the files of a folder of strangers.

    Raises:
        DataError: the folder of strangers can't be used, or too few people are left to train on or to measure with.
    """
    asked, dataset = recipe.data.strangers, scanned.dataset
    if asked is None:
        return Selection(scanned)
    known: tuple[str, ...] = ()
    records: Records = {}
    if isinstance(asked, Path):
        found = scan(asked, crop=crop, inspect=inspect)
        everybody, records = found.dataset, found.records
        known = tuple(same_identities(dataset.class_names, everybody.class_names))
        strangers, where = everybody.of_people(set(everybody.class_names) - set(known)), str(asked)
        rest = dataset
    else:
        rest, strangers = hold_out(dataset, asked, recipe.seed)
        where = f"{recipe.data.train}: strangers: {asked:g}"
        if len(rest.class_names) < 2:
            left = f"leaves {len(rest.class_names)} of {_people(dataset)} to train on"
            raise DataError(Problem(where, left, "give a smaller share"))
    try:
        notes = draw(strangers.labels, recipe.seed).notes
    except DataError as error:
        trained = f", without {len(known)} who are trained on" if known else ""
        too_few = (dataclasses.replace(problem, where=f"{where}{trained}") for problem in error.problems)
        raise DataError(*(problem.within(advice=_more_strangers(recipe, dataset)) for problem in too_few)) from None
    few = (
        ["; ".join([*notes, *([] if enough(strangers.labels) else [_more_strangers(recipe, dataset)])])]
        if notes
        else []
    )
    unaligned = size_notes(sizes_of(records, strangers.paths), crop, LARGEST) if crop and records else []
    return Selection(dataclasses.replace(scanned, dataset=rest), strangers, known, warnings=(*few, *unaligned))


def without_noise(recipe: Recipe, selection: Selection, restore: Callable[[], Model]) -> Selection:
    """Filter the training images with the restored checkpoint's embeddings, if the recipe asks for it.

    Args:
        restore: function that returns the model of the checkpoint.

    Raises:
        DataError: too few people are left.
        RunError: an image can no longer be read.
    """
    asked, dataset = recipe.data.filter, selection.scan.dataset
    if asked is None:
        return selection
    embedder = Embedder(restore(), recipe.cache, selection.scan.records)
    distances = distances_to_center(embedder.embeddings(dataset.paths), dataset.labels)
    kept = keep(distances, dataset.labels, asked.percentile, asked.min_images_per_person)
    remaining = dataset.take(np.flatnonzero(kept))
    left = {dataset.class_names[label] for label in np.unique(remaining.labels)}
    if len(left) < 2:
        raise DataError(
            Problem(
                recipe.data.train,
                f"the filter leaves {len(left)} of {_people(dataset)}",
                "give a higher percentile, or fewer min_images_per_person",
            )
        )
    filtered = Filtered(
        threshold(distances, asked.percentile),
        {dataset.paths[row]: float(distances[row]) for row in np.flatnonzero(~kept).tolist()},
        tuple(name for name in dataset.class_names if name not in left),
    )
    scanned = dataclasses.replace(selection.scan, dataset=remaining.of_people(left))
    return dataclasses.replace(selection, scan=scanned, filtered=filtered)


def _more_strangers(recipe: Recipe, dataset: Dataset) -> str:
    """Return advice for too few held-out identities.

    Args:
        dataset: training folder, including people whom a share holds out.
    """
    if isinstance(recipe.data.strangers, Path):
        return f"give a folder of {LEAST} people or more"
    others = "give data.strangers a folder of other people"
    order = sorted((place, name) for name, place in places(dataset.class_names, recipe.seed).items())
    images = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    with_two = {name for name, count in zip(dataset.class_names, images, strict=True) if count > 1}
    for n in range(LEAST, len(order) - 1):
        share = (int(100 * order[n - 1][0]) + 1) / 100
        held_out = [name for place, name in order if place < share]
        if len(with_two.intersection(held_out)) > 1 and len(order) - len(held_out) > 1:
            return f"{share:g} holds out {len(held_out)} of {_people(dataset)}, enough to measure by; or {others}"
    return others


def _people(dataset: Dataset) -> str:
    return f"{counted(len(dataset.class_names), 'person')}"
