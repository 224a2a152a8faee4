"""All inputs of a run, opened and checked before the first step."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.backbones import NETWORK_FILE
from finetune.checkpoint import (
    Account,
    Beginning,
    account,
    file_digests,
    fresh_account,
    imagenet_weights,
    refuse_pattern,
)
from finetune.dataset import Dataset, Scan
from finetune.doctor import Report, Thumbnails
from finetune.errors import CheckpointError, DataError, Problem, UserError, attempt
from finetune.images import (
    Choice,
    JoinedRecords,
    Preprocessing,
    Records,
    chosen,
    refuse_colors,
    usual_preprocessing,
)
from finetune.model import Model
from finetune.path_list import PathList
from finetune.paths import refuse_within
from finetune.recipe import Recipe, Stage
from finetune.runs.data import examined, open_data
from finetune.runs.measured import MeasuredPairs, digest_of, part_of, summaries
from finetune.runs.selection import Selection, names, without_noise, without_strangers
from finetune.runs.validation import open_validation
from finetune.runtime import SINGLE, Strategy, devices, refuse_fork, refuse_missing_runtime
from finetune.training.sampling import Sampler, refuse_unmet
from finetune.verification import OF_LFW, ImagePairs, PairSet


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Opened inputs of a recipe.

    Attributes:
        recipe: settings of the run.
        model: restored model, with a fresh head for the people of `scan`.
        scan: scan of the training folder.
        train, validation: training images and validation images, held back from the folder or of a folder of their own;
            `validation` is empty if there are none.
        sets: sets of pairs to measure, LFW's first, or none.
        trained_names: people who have been trained on at the end of the run. These are the people of the checkpoint's
            own classifier, if their names are stored beside it, and those of `scan`.
        strategy: strategy whose replicas hold the model.
        report: the doctor's report on the training folder; None on a worker that is not the chief, and without labels.
        selection: people of the folder who are trained on, and people who are held out.
        records: records of all image files that were read.
    """

    recipe: Recipe
    model: Model
    scan: Scan
    train: Dataset
    validation: Dataset
    sets: tuple[PairSet, ...]
    trained_names: tuple[str, ...]
    strategy: Strategy = SINGLE
    report: Report | None = None
    selection: Selection | None = None
    records: Records = dataclasses.field(default_factory=JoinedRecords)

    @classmethod
    def open(cls, recipe: Recipe, strategy: Strategy = SINGLE, *, recheck: bool = False) -> Inputs:
        """Open all inputs.

        Args:
            recipe: settings of the run.
            strategy: strategy whose replicas hold the model.
            recheck: whether to read images again that were read before and have not changed since, by their times.

        Raises:
            UserError: some inputs can't be used, one line per problem of any input; or the workers of the strategy see
                different inputs.
        """
        problems: list[Problem] = []
        records = JoinedRecords()

        @functools.cache  # the doctor inspects the same files again
        def looked_at(paths: PathList) -> Thumbnails:
            found = Thumbnails(paths, records, kept=True, recheck=recheck)
            records.add(found.records)
            return found

        def inspected(paths: Sequence[Path]) -> Thumbnails:
            return looked_at(PathList(paths))

        def inspect(paths: Sequence[Path]) -> Records:
            return inspected(paths).records

        if strategy.is_chief:
            attempt(problems, lambda: refuse_unwritable(recipe.output))
            attempt(problems, lambda: refuse_output_within(recipe))
        attempt(problems, lambda: refuse_missing_runtime(recipe.runtime))
        found = attempt(problems, lambda: open_weights(recipe))
        before = attempt(problems, lambda: found.own_class_names) if found else None
        crop = found.preprocessing.image_size if found else recipe.preprocessing.image_size
        everybody = (
            attempt(problems, lambda: open_data(recipe, crop, inspect)) if crop or not recipe.data.align else None
        )
        held_out = attempt(problems, lambda: without_strangers(recipe, everybody, crop, inspect)) if everybody else None
        apart = attempt(problems, lambda: open_validation(recipe, everybody, crop, inspect)) if everybody else None
        pairs = MeasuredPairs(recipe, crop, inspect, problems, every_image=strategy.is_chief)
        if found and everybody:
            contract, paths = found.preprocessing, everybody.dataset.paths
            attempt(problems, lambda: refuse_colors(paths, contract, recipe.data.train))
        if found:
            pairs.refuse_colors(found.preprocessing, problems)
        if found is None or before is None or everybody is None or held_out is None or problems:
            raise UserError(*problems)
        selection = without_noise(recipe, held_out, lambda: build(recipe, found)).with_validation(apart)
        scanned = selection.scan
        people = scanned.dataset.class_names
        train, validation = selection.split(recipe.data.validation_split, recipe.seed)
        lines = image_lines(records, selection, pairs.sets)
        strategy.must_see_the_same(shared_lines(recipe, lines, summaries(pairs.sets, before + people), found))
        with strategy.scope():
            model = build(recipe, found.for_people(people))
        examines = strategy.is_chief and recipe.data.labels != "none"
        report = examined(recipe, everybody, crop, pairs.of_lfw, inspected) if examines else None
        parts = model, scanned, train, validation, pairs.sets, before + people
        return cls(recipe, *parts, strategy, report, selection, records)

    @property
    def preprocessing(self) -> Preprocessing:
        """Preprocessing of the checkpoint."""
        return self.model.preprocessing

    @property
    def image_pairs(self) -> ImagePairs | None:
        """LFW's pairs and their images, or None."""
        return next((one.pairs for one in self.sets if one.name == OF_LFW), None)

    @property
    def strangers(self) -> Dataset | None:
        """Images of held-out identities; None if the recipe asks for none."""
        return self.selection.strangers if self.selection else None

    def sampler(self, stage: Stage, index: int, embeddings: Callable[[], Any] | None = None) -> Sampler:
        """Return the sampler of the stage with this number.

        Args:
            embeddings: function that gives the training images' embeddings, for a bank of negatives.
        """
        recipe, labels = self.recipe, self.train.labels
        return Sampler(stage, labels, recipe.batch_size, recipe.seed, index, embeddings, recipe.data.share)

    def refuse_unmet(self, stage: Stage) -> None:
        """Refuse a stage that needs more images than there are.

        Raises:
            DataError: some requirements are not met; one line per requirement.
        """
        refuse_unmet(stage, self.train.labels, self.validation.labels, self.recipe.batch_size)

    @functools.cached_property
    def image_lines(self) -> tuple[str, ...]:
        """Lines `SHA256  PART/PERSON/FILE` of all images for training or measuring, in a fixed order."""
        return image_lines(self.records, self.selection or Selection(self.scan), self.sets)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return a summary of the checkpoint, the images and the pairs that the run begins with, each with a digest.

        The `sha256` of `data` and `strangers` covers names only; that of `images` covers contents too.
        """
        plan, source = self.model.plan, self.model.origin and self.model.origin.source
        return {
            "checkpoint": {
                "prefix": self.model.where,
                "sha256": file_digests(source) if source else {},
                "restored": len(plan.restored),
                "skipped": dict(plan.skipped),
                "fresh": list(plan.fresh),
                "backbone": self.model.backbone.name,
                "embedding_size": self.model.embedding_size,
                "preprocessing": dataclasses.asdict(self.preprocessing),
            },
            "data": {
                "people": len(self.scan.dataset.class_names),
                "train_images": len(self.train),
                "validation_images": len(self.validation),
                "quarantined": {str(entry.path): entry.reason for entry in self.scan.quarantined},
                "left_out": list(self.scan.left_out),
                "sha256": digest_of([names(self.scan.dataset)]),
            },
            **(self.selection or Selection(self.scan)).summary(),
            "images": {"files": len(self.image_lines), "sha256": digest_of(self.image_lines)},
            "doctor": self.report.to_json() if self.report else {"counts": {}, "findings": [], "notes": []},
            **summaries(self.sets, self.trained_names),
        }


def image_lines(records: Records, selection: Selection, sets: Sequence[PairSet]) -> tuple[str, ...]:
    """Return one line `SHA256  PART/PERSON/FILE` per image of the run, in a fixed order.

    A part is `data`, `validation` (a folder of its own), `strangers`, `lfw`, or `measure.NAME` of a set.
    """
    parts = {**selection.parts, **{part_of(one.name): one.pairs.paths for one in sets}}
    return tuple(
        f"{records[path].digest.hex()}  {part}/{path.parent.name}/{path.name}"
        for part, paths in parts.items()
        for path in paths
    )


def shared_lines(recipe: Recipe, images: Sequence[str], pairs: Mapping[str, Any], found: Account) -> tuple[str, ...]:
    """Return lines that must be equal on all workers: the recipe, images, pairs and the checkpoint's preprocessing.

    Args:
        images: result of `image_lines`.
        pairs: result of `summaries`.
        found: account of the checkpoint.
    """
    preprocessing = found.preprocessing
    return (
        *recipe.to_yaml().splitlines(),
        *images,
        *(f"lfw.pairs: {key} {pairs['lfw'][key]}" for key in ("sha256", "folds", "trained")),
        *(f"measure.{name}.pairs: {part['sha256']}" for name, part in pairs.get("measure", {}).items()),
        f"checkpoint: {preprocessing.words} standardization",
    )


def refuse_unwritable(output: Path) -> None:
    """Refuse an output folder that can't be made, or that TensorFlow could not read from.

    Raises:
        UserError: the folder can't be used; the message says why.
    """
    refuse_pattern(output)
    above = next(folder for folder in (output, *output.parents) if folder.exists())
    if not above.is_dir():
        raise UserError(Problem(output, f"{above} is a file, and no folder can be made in it", "choose another output"))
    if not os.access(above, os.W_OK):
        raise UserError(Problem(output, f"{above} may not be written to", "choose another output"))


def refuse_output_within(recipe: Recipe) -> None:
    """Refuse an output within a folder that is read, because the next run would take it for a person.

    Raises:
        DataError: the output is within such a folder; one line per folder.
    """
    if (recipe.output / "recipe.yaml").exists():
        return  # the run is continued
    data, of_sets = recipe.data, [section.dir for section in recipe.sets.values()]
    read = [data.train, data.validation, data.strangers, *of_sets]
    problems: list[Problem] = []
    for folder in dict.fromkeys(folder for folder in read if isinstance(folder, Path)):
        attempt(problems, functools.partial(refuse_within, recipe.output, folder))
    if problems:
        raise DataError(*problems)


def open_weights(recipe: Recipe) -> Account:
    """Open the recipe's checkpoint, or its weights. The head is made once the people of the run are known.

    Raises:
        CheckpointError: the checkpoint can't be restored, or its network differs from the recipe's.
    """
    refuse_fork()
    devices.prepare()
    section, nobody = recipe.preprocessing, ("nobody",)
    choice = Choice(section.image_size, section.standardization, section.convert)
    backbone = recipe.network
    if recipe.weights in ("none", "imagenet"):
        preprocessing = chosen(usual_preprocessing(backbone, section.channels), choice)
        size = recipe.embedding or backbone.embedding_size
        values = imagenet_weights(backbone) if recipe.weights == "imagenet" else {}
        return fresh_account(backbone, size, preprocessing, nobody, values)
    found = account(
        recipe.begins_with,
        class_names=nobody,
        choice=choice,
        weights="averages" if recipe.averages else "variables",
        beginning=Beginning(backbone, recipe.embedding) if recipe.weights else None,
    )
    if found.backbone.name != backbone.name:
        said = f"holds {found.backbone.title}, where the recipe says backbone: {recipe.backbone}"
        own = found.located.folder / NETWORK_FILE if found.located and found.backbone.description else None
        raise CheckpointError(Problem(recipe.begins_with, said, f"set backbone: {own or found.backbone.name}"))
    return found


def build(recipe: Recipe, found: Account) -> Model:
    """Return the network of a checkpoint, with the recipe's seed, precision and runtime."""
    return Model.of(found, seed=recipe.seed, precision=recipe.precision, runtime=recipe.runtime)
