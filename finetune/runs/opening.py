"""Everything that a run reads, opened and checked before the first step."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.checkpoint import contents, read, refuse_pattern, stored_class_names
from finetune.dataset import Check, Dataset, Scan, check_images, split
from finetune.doctor import Looked, Report, look
from finetune.errors import DataError, UserError, attempt
from finetune.images import Preprocessing, size_notes
from finetune.model import Model
from finetune.paths import refuse_within
from finetune.recipe import LFW, Recipe, Stage
from finetune.runs.data import examined, open_data
from finetune.runs.selection import Selection, names, without_noise, without_strangers
from finetune.runtime import SINGLE, Strategy
from finetune.training.sampling import refuse_unmet
from finetune.verification import Embed, ImagePairs, LFWResult, measure, read_pairs, resolve, sampled
from finetune.words import counted


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a recipe names, opened.

    Attributes:
        recipe: the settings.
        model: restored, with a fresh head for the people of `scan`.
        scan: the training folder.
        train, validation: its images, parted; `validation` is empty where nothing is held back.
        image_pairs: the LFW pairs and their images, or None.
        trained_names: who was trained on once the run is done: the people of `scan`, and before them those of
            the checkpoint's own classifier, where their names lie beside it.
        strategy: whose replicas hold the model.
        report: what the doctor says of the training folder; None on a worker that is not the chief.
        selection: who of the folder is trained on, and who is held out.
        digests: the sha256 of each image file that was read.
    """

    recipe: Recipe
    model: Model
    scan: Scan
    train: Dataset
    validation: Dataset
    image_pairs: ImagePairs | None
    trained_names: tuple[str, ...]
    strategy: Strategy = SINGLE
    report: Report | None = None
    selection: Selection | None = None
    digests: Mapping[Path, bytes] = dataclasses.field(default_factory=dict)

    @classmethod
    def open(cls, recipe: Recipe, strategy: Strategy = SINGLE) -> Inputs:
        """Opens them all.

        Raises:
            UserError: some can't be used; one line for every problem of every input. Or the workers
                of the strategy don't see the same ones.
        """
        problems: list[str] = []
        digests: dict[Path, bytes] = {}

        def see(paths: Sequence[Path]) -> Looked:
            looked = look(paths)
            digests.update(zip(looked.paths, looked.keys, strict=True))
            return looked

        if strategy.is_chief:
            attempt(problems, lambda: refuse_unwritable(recipe.output))
            attempt(problems, lambda: refuse_output_within(recipe))
        # Restored once for what it expects of images, and again with a head for the people in them.
        found = attempt(problems, lambda: restore(recipe, ("nobody",)))
        before = attempt(problems, lambda: own_class_names(found)) if found else None
        crop = found.preprocessing.image_size if found else recipe.preprocessing.image_size
        opened = attempt(problems, lambda: open_data(recipe, crop, see)) if crop or not recipe.data.align else None
        held_out = attempt(problems, lambda: without_strangers(recipe, opened[0], crop, see)) if opened else None
        lfw = recipe.lfw
        # The doctor compares all of them with the training images; a sample of them may be measured.
        every_pair = attempt(problems, lambda: open_pairs(lfw)) if lfw else None
        pairs = sampled(every_pair, lfw.sample) if lfw and every_pair else None
        if lfw and pairs and crop:
            found_pairs = pairs
            pairs = attempt(problems, lambda: usable(found_pairs, lfw, crop, see(found_pairs.paths).reasons))
        if found is None or before is None or opened is None or held_out is None or problems:
            raise UserError(*problems)
        everybody, looked = opened
        selection = without_noise(recipe, held_out, found)
        scanned = selection.scan
        trained_names = before + scanned.dataset.class_names
        train, validation = split(scanned.dataset, recipe.data.validation_split, recipe.seed)
        parts = recipe, found, scanned, train, validation, pairs, trained_names
        inputs = cls(*parts, selection=selection, digests=digests)
        strategy.must_see_the_same(inputs.lines)
        with strategy.scope():
            model = restore(recipe, scanned.dataset.class_names)
        report = examined(recipe, everybody, looked, crop, every_pair) if strategy.is_chief else None
        return dataclasses.replace(inputs, model=model, strategy=strategy, report=report)

    @property
    def preprocessing(self) -> Preprocessing:
        """The checkpoint's."""
        return self.model.preprocessing

    @property
    def strangers(self) -> Dataset | None:
        """The images of people who are held out; None where the recipe asks for none."""
        return self.selection.strangers if self.selection else None

    def refuse_unmet(self, stage: Stage) -> None:
        """Refuse a stage that needs more of the images than there are.

        Raises:
            DataError: one line per need that is not met.
        """
        refuse_unmet(stage, self.train.labels, self.validation.labels, self.recipe.batch_size)

    @functools.cached_property
    def image_lines(self) -> tuple[str, ...]:
        """Every image that is trained on or measured on, in a fixed order: `SHA256  PART/PERSON/FILE`.

        A part is `data`, `strangers` or `lfw`.
        """
        pairs, strangers = self.image_pairs, self.strangers
        parts = {
            "data": self.scan.dataset.paths,
            "strangers": strangers.paths if strangers else (),
            "lfw": pairs.paths if pairs else (),
        }
        return tuple(
            f"{self.digests[path].hex()}  {part}/{path.parent.name}/{path.name}"
            for part, paths in parts.items()
            for path in paths
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines that workers must see alike: the recipe, the images, the pairs and the checkpoint's texts."""
        lfw, preprocessing = self.summary_of_pairs(), self.preprocessing
        return (
            *self.recipe.to_yaml().splitlines(),
            *self.image_lines,
            *(f"lfw.pairs: {key} {lfw[key]}" for key in ("sha256", "folds", "trained")),
            f"checkpoint: {preprocessing.image_size} pixels, {preprocessing.standardization} standardization",
        )

    def measure(self, embed: Embed | None = None) -> LFWResult | None:
        """LFW with the model's weights as they are now; None where the recipe names no pairs.

        Args:
            embed: in place of the model, as `finetune.verification.measure` takes it.
        """
        if self.image_pairs is None or self.recipe.lfw is None:
            return None
        return measure_model(self.model, self.image_pairs, self.recipe.lfw, self.trained_names, self.strategy, embed)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return what the run begins with, each part with a digest: the checkpoint, the images, the pairs.

        The `sha256` of `data` and `strangers` is of names alone, that of `images` of contents too.
        """
        plan = self.model.plan
        return {
            "checkpoint": {
                "prefix": str(self.model.source.prefix),
                "sha256": read(self.model.source).sha256,
                "restored": len(plan.restored),
                "skipped": dict(plan.skipped),
                "fresh": list(plan.fresh),
                "embedding_size": self.model.embedding_size,
                "preprocessing": dataclasses.asdict(self.preprocessing),
            },
            "data": {
                "people": len(self.scan.dataset.class_names),
                "train_images": len(self.train),
                "validation_images": len(self.validation),
                "quarantined": {str(entry.path): entry.reason for entry in self.scan.quarantined},
                "left_out": list(self.scan.left_out),
                "sha256": _digest([names(self.scan.dataset)]),
            },
            **(self.selection or Selection(self.scan)).summary(),
            "images": {"files": len(self.image_lines), "sha256": _digest(self.image_lines)},
            "doctor": self.report.to_json() if self.report else {},
            "lfw": self.summary_of_pairs(),
        }

    def summary_of_pairs(self) -> dict[str, Any]:
        """Return how many LFW pairs there are, with digests of them and of the people who count as trained on."""
        pairs = self.image_pairs
        return {
            "pairs": len(pairs.is_same) if pairs else 0,
            "folds": pairs.n_folds if pairs else 0,
            "missing": list(pairs.missing) if pairs else [],
            "unaligned": list(pairs.unaligned) if pairs else [],
            "sha256": pairs.sha256 if pairs else None,
            "trained": _digest(self.trained_names),
        }


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_pairs(lfw: LFW) -> ImagePairs:
    """Return all pairs that a recipe's `lfw` section, or `validate`'s options, name.

    Raises:
        DataError: the pairs file or the folder can't be used, or there are too few pairs for the folds.
    """
    pairs = resolve(read_pairs(lfw.pairs), lfw.dir, lfw.missing)
    n_same = int(pairs.is_same.sum())
    n_different = len(pairs.is_same) - n_same
    if min(n_same, n_different) < pairs.n_folds:
        raise DataError(
            f"{lfw.pairs}: {counted(n_same, 'pair')} of one person and {n_different} of two can be used, "
            f"and {pairs.n_folds} "
            f"folds need {pairs.n_folds} of each; give more pairs, or a header with fewer folds"
        )
    return pairs


def usable(pairs: ImagePairs, lfw: LFW, crop: int, check: Check = check_images) -> ImagePairs:
    """Decode the pairs' images, before hours are spent on what can't be measured.

    Args:
        crop: side in pixels; smaller images can't be used.
        check: says why files can't be used.

    Returns:
        The pairs, with a note where their images look unaligned.

    Raises:
        DataError: one line for each image that can't be used, or one for them all.
    """
    reasons = zip(pairs.paths, check(pairs.paths, crop), strict=True)
    bad = [f"{path}: {reason}" for path, reason in reasons if reason]
    if len(bad) == len(pairs.paths):
        raise DataError(
            f"{lfw.dir}: no usable image for the pairs; give faces aligned to {crop} pixels; "
            f"the first of {len(bad)} not used is {bad[0]}"
        )
    if bad:
        raise DataError(*(f"{problem}; replace it, or remove it and set missing: skip" for problem in bad))
    # Results are handed on in reports, which may have to leave names out.
    unaligned = tuple(size_notes(pairs.paths, crop, where=lfw.dir))
    return dataclasses.replace(pairs, unaligned=unaligned, notes=(*pairs.notes, *unaligned))


def refuse_unwritable(output: Path) -> None:
    """Refuses an output folder that can't be made, or from which TensorFlow could not read.

    Raises:
        UserError: why.
    """
    refuse_pattern(output)
    above = next(folder for folder in (output, *output.parents) if folder.exists())
    if not above.is_dir():
        raise UserError(f"{output}: {above} is a file, and no folder can be made in it; choose another output")
    if not os.access(above, os.W_OK):
        raise UserError(f"{output}: {above} may not be written to; choose another output")


def refuse_output_within(recipe: Recipe) -> None:
    """Refuse an output within a folder that is read, where the next run would take it for a person.

    Raises:
        DataError: one line per such folder.
    """
    if (recipe.output / "recipe.yaml").exists():
        return  # a run that is continued
    read = [recipe.data.train, recipe.data.strangers, recipe.lfw.dir if recipe.lfw else None]
    problems: list[str] = []
    for folder in dict.fromkeys(folder for folder in read if isinstance(folder, Path)):
        attempt(problems, functools.partial(refuse_within, recipe.output, folder))
    if problems:
        raise DataError(*problems)


def measure_model(
    model: Model,
    image_pairs: ImagePairs,
    lfw: LFW,
    trained_names: Sequence[str] = (),
    strategy: Strategy = SINGLE,
    embed: Embed | None = None,
) -> LFWResult:
    """A model's result on pairs under a section's settings, and without those of `trained_names`.

    Workers share the images, and have the same result.

    Args:
        embed: in place of the model, as `finetune.verification.measure` takes it.
    """

    def embed_by_model(paths: Sequence[Path], flip: bool) -> np.ndarray:
        if strategy.workers == 1:
            return model.embed(paths, flip=flip)
        mine = slice(strategy.worker, None, strategy.workers)
        embeddings = np.zeros([len(paths), model.embedding_size * (2 if flip else 1)], np.float32)
        embeddings[mine] = model.embed(paths[mine], flip=flip)
        return strategy.sum(embeddings)

    return measure(
        embed or embed_by_model,
        image_pairs,
        distance=lfw.distance,
        subtract_mean=lfw.subtract_mean,
        flip=lfw.flip,
        trained=trained_names,
    )


def own_class_names(model: Model) -> tuple[str, ...]:
    """The people whom the classifier in the model's checkpoint tells apart, whatever head the model has."""
    source = model.source
    return stored_class_names(source.folder, contents(read(source).shapes, source.prefix).num_classes)


def restore(recipe: Recipe, class_names: tuple[str, ...]) -> Model:
    """The recipe's checkpoint, with a fresh head for these people."""
    section = recipe.preprocessing
    return Model.restore(
        recipe.checkpoint,
        class_names=class_names,
        seed=recipe.seed,
        image_size=section.image_size,
        standardization=section.standardization,
        precision=recipe.precision,
        runtime=recipe.runtime,
    )
