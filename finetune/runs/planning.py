"""Plan of a run, shown before it starts: what trains, what is frozen, and the cost."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Collection

from finetune.doctor import IMAGE_SIZE, Report
from finetune.embedding import Choice, VectorCache, choice
from finetune.errors import DataError, Problem, attempt
from finetune.images import probe, standardization_remarks
from finetune.model import Model
from finetune.names import spelled_alike
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.recipe import Recipe, Stage
from finetune.report import count_values, duration, gallery_command
from finetune.runs.advice import advice
from finetune.runs.cost import MARGIN, Cost, costs, seconds_per_image, time_table, views_per_second
from finetune.runs.opening import Inputs
from finetune.runtime import cores, devices
from finetune.training import trained
from finetune.verification import FEW_PEOPLE, OF_LFW, PairSet, distinct_images, find_overlap
from finetune.words import counted, listed

UNSEEN = (
    "warning: the stored statistics of random weights describe no images, so that batch norm scales nothing; "
    "set batch_norm: train"
)
ALONE = "warning: the last batch leaves a replica one image, a poor sample for batch norm; change batch_size"
SLOW = "warning: this machine has no units for it (AVX-512 BF16, AMX, or a GPU from Ampere on); float32 is faster here"
LEFT_OUT = ("misplaced", "empty", "not-image", "unreadable", "too-small", "few-images", "no-images")
"""Kinds of findings that are not trained on, and are counted and listed as left out."""
SHOWN = 5
"""Number of left-out files that are shown."""


def show_plan(inputs: Inputs) -> None:
    """Print the plan, wrapped to the terminal."""
    for line in plan(inputs):
        say(line, indent=MARGIN)


def plan(inputs: Inputs) -> list[str]:
    """Return the plan in lines: devices, checkpoint, data, LFW, and a few lines per stage.

    Raises:
        DataError: a stage needs more images than there are; one line per requirement.
    """
    recipe, model = inputs.recipe, inputs.model
    problems: list[Problem] = []
    for stage in recipe.stages:
        attempt(problems, functools.partial(inputs.refuse_unmet, stage))
    if problems:
        raise DataError(*problems)
    pixels = probe(inputs.train.paths, model.preprocessing)
    fit = model.standardization_fit(pixels)
    seconds = seconds_per_image(model, pixels)
    parts = costs(inputs, seconds)
    slow = recipe.precision == "bfloat16" and not devices.bfloat16_units()
    lines = [
        *titled("devices", "; ".join(devices.prepare())),
        *(titled("strategy", inputs.strategy.describe(recipe.batch_size)) if recipe.strategy != "none" else []),
        *titled("checkpoint" if recipe.checkpoint else "weights", model.where, restored(model), *model.remarks),
        *titled("preprocessing", model.preprocessing.in_full, *standardization_remarks(model.preprocessing, fit)),
        *(titled("precision", recipe.precision, *([SLOW] * slow)) if recipe.precision != "float32" else []),
        *titled(
            "data", data(inputs), *_validation(inputs), *_selection(inputs), *_few_people(inputs), *_left_out(inputs)
        ),
        *titled("doctor", *_doctor(inputs)),
        *_sets(inputs),
        *titled("output", str(recipe.output)),
        "",
    ]
    for index, (stage, cost) in enumerate(zip(recipe.stages, parts[1:], strict=True), start=1):
        lines += titled(f"stage {index}", *_stage(index, stage, inputs, cost))
    said = advice(inputs, fit.get(model.preprocessing.standardization), parts)
    return [*lines, *titled("advice", *said), "", *time_table(parts, seconds), *titled("", _reading(inputs))]


def titled(title: str, *texts: str) -> list[str]:
    """Return lines of the plan: the title before the first text, the others below it."""
    return [f"{title if not number else '':{MARGIN}}{text}" for number, text in enumerate(texts)]


def restored(model: Model) -> str:
    """Return the restore plan in one line."""
    skipped = "; ".join(sorted(set(model.plan.skipped.values())))
    classes = counted(model.num_classes or 0, "class")
    others = "among them " if len(model.plan.fresh) > len(model.backbone.head_variables) else ""
    head = f" ({others}{model.backbone.head} of {classes})" if model.num_classes and model.plan.fresh else ""
    if not model.plan.restored:
        return f"{counted(len(model.plan.fresh), 'variable')} drawn; embeddings of {model.embedding_size} values"
    return (
        f"{len(model.plan.restored)} variables restored, {len(model.plan.skipped)} skipped"
        f"{f' ({skipped})' if skipped else ''}, {len(model.plan.fresh)} fresh{head}; "
        f"embeddings of {model.embedding_size} values"
    )


def data(inputs: Inputs) -> str:
    """Return the counts of people, images and files in one line."""
    scan = inputs.scan
    if inputs.recipe.data.labels == "none":
        files = counted(len(scan.quarantined), "file")
        return f"{counted(len(inputs.train), 'unlabelled image')} to train on, {files} left out"
    return (
        f"{counted(len(scan.dataset.class_names), 'person')}, {counted(len(inputs.train), 'image')} to train on, "
        f"{len(inputs.validation)} held back, {counted(len(scan.quarantined), 'file')} left out, "
        f"{counted(len(scan.left_out), 'person')} with too few images"
    )


def _reading(inputs: Inputs) -> str:
    """Return how fast images are read, since a fast GPU may have to wait for them."""
    n = cores()
    rate = n * views_per_second(inputs)
    return f"about {rate:,.0f} images read and augmented per second on {counted(n, 'core')}, as measured on a few"


def _validation(inputs: Inputs) -> list[str]:
    """Return lines about the folder of validation images, if there is one."""
    found = inputs.selection.validation if inputs.selection else None
    if not found:
        return []
    lines = [f"validation: {counted(len(found.dataset), 'image')} of {inputs.recipe.data.validation}"]
    if found.quarantined:
        lines.append(f"validation: {counted(len(found.quarantined), 'file')} left out, such as {found.quarantined[0]}")
    if found.left_out:
        lines.append(f"validation: {counted(len(found.left_out), 'person')} left out, who are not trained on")
    if copies := found.copies(inputs.train, inputs.records):
        lines.append(f"warning: {copies} of these images are training images too, and flatter the validation loss")
    return lines


def _selection(inputs: Inputs) -> list[str]:
    """Return lines about the held-out identities, and about the images that the filter left out."""
    recipe, selection, lines = inputs.recipe, inputs.selection, []
    if selection and selection.strangers:
        known = f"; {len(selection.known)} more are trained on, and so are none" if selection.known else ""
        lines.append(
            f"strangers: {counted(len(selection.strangers.class_names), 'person')} held out, "
            f"{counted(len(selection.strangers), 'image')}, "
            f"measured {_when(recipe)}{known}"
        )
        lines += [
            f"strangers: {name!a} and {first!a} are one name, and measured as two people; "
            "put one person's images into one folder"
            for first, name in spelled_alike(selection.strangers.class_names)
        ]
        lines += [f"warning: {warning}" for warning in selection.warnings]
    if selection and selection.filtered:
        filtered = selection.filtered
        lines.append(
            f"filter: {counted(len(filtered.images), 'image')} left out, {filtered.threshold:.3f} or "
            f"more from their centre; "
            f"{counted(len(filtered.people), 'person')} whole"
        )
    return lines


def _left_out(inputs: Inputs) -> list[str]:
    """Return lines about the first files that are left out."""
    found = inputs.scan.quarantined
    more = [f"and {len(found) - SHOWN} more; see inputs.json in the output"] if len(found) > SHOWN else []
    return [*(f"left out: {entry}" for entry in found[:SHOWN]), *more]


def _few_people(inputs: Inputs) -> list[str]:
    """Return a suggestion to try a gallery without training, if there are few people."""
    people = len(inputs.scan.dataset.class_names)
    if not 0 < people <= FEW_PEOPLE or inputs.recipe.checkpoint is None:
        return []
    command = gallery_command(inputs.recipe)
    if inputs.report and inputs.report.counts().get("unaligned") and not inputs.recipe.data.align:
        command += "   # first finetune align, or data.align=true: these are not aligned faces"
    return [f"for {people} people a gallery without training may do; try it first: {command}"]


def _doctor(inputs: Inputs) -> list[str]:
    """Return the doctor's findings, except for images that are left out anyway."""
    report, recipe = inputs.report, inputs.recipe
    if report is None:
        return []
    counts = report.counts()
    lines = [
        f"{counts[kind]} {kind}: {report.line(finding)}"
        for kind, finding in report.worst().items()
        if kind not in LEFT_OUT
    ]
    if not lines:
        return [f"nothing suspect{''.join(f'; {note}' for note in report.notes)}"]
    advice = f"{_doctors_command(inputs, report)} lists them, and shows them with --sheet suspects.png; "
    # Crops that are moved out of the cache would be cut again.
    advice += "mend the photos that they were cut from" if recipe.data.align else "look before anything is moved"
    return [*lines, *report.notes, advice]


def _doctors_command(inputs: Inputs, report: Report) -> str:
    """Return the command that lists exactly the findings counted in the plan."""
    recipe, crop, least = inputs.recipe, inputs.preprocessing.image_size, inputs.recipe.data.min_images_per_person
    command = ["finetune", "doctor", str(report.folder)]
    command += ["--image-size", str(crop)] if crop != IMAGE_SIZE else []
    command += ["--min-images", str(least)] if least != 2 else []
    command += ["--lfw", str(recipe.lfw.dir), "--pairs", str(recipe.lfw.pairs)] if recipe.lfw else []
    return in_one_line(shlex.join(command))


def _stage(index: int, stage: Stage, inputs: Inputs, cost: Cost) -> list[str]:
    recipe, model, n_train, n_validation = inputs.recipe, inputs.model, len(inputs.train), len(inputs.validation)
    first = inputs.model.backbone.boundary(stage.train_from)
    kept = choice(model, recipe, first, n_train, n_validation)
    epoch = inputs.sampler(stage, index).epoch(1)
    names = trained(model.backbone, model.variables, stage)
    frozen = len(model.variables) - len(names)
    last = len(epoch.order) % epoch.batch_size or epoch.batch_size
    stops = stage.last_epoch < stage.epochs
    partly = stage.steps_per_epoch is not None or (recipe.data.share or 1) < 1
    in_turn = ", in turn" if stage.sampling == "shuffled" and not stage.loss.mined else ""
    backbone = model.backbone
    trains = range(first, backbone.end(stage.train_to))
    has_statistics = any(backbone.is_statistic(name) and backbone.index_of(name) in trains for name in model.variables)
    alone = last // inputs.strategy.share.replicas <= 1 and stage.batch_norm == "train"
    return [
        f"{stage.name!r}: trains {stage.trains}, "
        f"{count_values(model, names):,} values in {len(names)} variables; {frozen} variables frozen; "
        f"batch norm {stage.batch_norm}",
        f"{counted(stage.last_epoch, 'epoch')} of {counted(epoch.n_batches, 'step')} of "
        f"{counted(epoch.batch_size, 'image')}, "
        f"{stage.optimizer.name}, {stage.loss.describe(stage)}, about {duration(cost.training)}",
        *([f"each epoch draws {counted(len(epoch.order), 'image')} of {n_train}{in_turn}"] * partly),
        _features(kept),
        *([f"its schedule stops after epoch {stage.last_epoch} of {stage.epochs}"] * stops),
        *([ALONE] if alone else []),
        *_drawn_and_frozen(model, names),
        *([UNSEEN] if recipe.weights == "none" and stage.batch_norm == "frozen" and has_statistics else []),
    ]


def _drawn_and_frozen(model: Model, trains: Collection[str]) -> list[str]:
    """Return a warning if variables that were drawn stay frozen, such as a hidden layer of a new neck."""
    backbone = model.backbone
    frozen = [name for name in model.plan.fresh if not backbone.is_head(name) and name not in trains]
    if not frozen:
        return []
    places = [backbone.index_of(name) for name in frozen]
    before = min(places) < min(map(backbone.index_of, trains))
    unit = backbone.units[min(places) if before else max(places)].name.split("/")[0]
    advice = f"begin with train_from: {unit}" if before else f"end with train_to: {unit}"
    return [f"warning: {counted(len(frozen), 'variable')} with random values stay frozen; {advice}"]


def _features(kept: Choice) -> str:
    if not kept.needed:
        return "the whole network trains; nothing is frozen"
    size = f"{kept.needed / 2**20:,.1f} MiB"
    if kept.where == "off":
        return f"frozen units computed in each epoch ({kept.reason}; kept, their features would take {size})"
    if kept.where == "memory":
        return f"frozen units computed once; {size} of features kept in memory"
    cache = VectorCache()
    return (
        f"frozen units computed once; {size} of features kept in {cache.folder}, "
        f"which takes {cache.limit / 2**30:g} GiB at most"
    )


def _sets(inputs: Inputs) -> list[str]:
    """Return lines about each set of pairs, and about the images that several sets share."""
    lines = [] if inputs.sets else titled("LFW", "none; nothing will be validated on pairs")
    for one in inputs.sets:
        warnings = (f"warning: {note}" for note in one.pairs.notes)
        lines += titled("LFW" if one.name == OF_LFW else one.name, _set(inputs, one), *warnings)
    if len(inputs.sets) > 1:
        distinct = len(distinct_images(inputs.sets, flip=False))
        named = sum(len(one.pairs.paths) for one in inputs.sets)
        lines += titled("pairs", f"{distinct:,} distinct images of {named:,} in these sets, each embedded once")
    return lines


def _set(inputs: Inputs, one: PairSet) -> str:
    pairs, lfw = one.pairs, one.section
    overlap, _ = find_overlap(inputs.trained_names, pairs)
    shared = (
        f"; {len(overlap.identities)} of {overlap.n_identities} identities are trained on, in {overlap.n_pairs} pairs"
    )
    missing = f", {counted(pairs.n_skipped, 'pair')} skipped" if pairs.n_skipped else ""
    both = " and their mirror images" if lfw.flip else ""
    within = f", and {_when(inputs.recipe)}" if inputs.recipe.verification else ""
    by = "" if one.name == OF_LFW else f", {one.protocol.name}"
    by += f", groups by {listed([column.name for column in one.groups.columns], 'and')}" if one.groups else ""
    return (
        f"{counted(len(pairs.is_same), 'pair')} of {counted(len(pairs.paths), 'image')}{both}{missing}{by}, "
        f"measured before the first stage and after each{within}{shared if overlap.identities else ''}"
    )


def _when(recipe: Recipe) -> str:
    """Return after which epochs pairs are measured."""
    every = recipe.verification.every if recipe.verification else 1
    return "after each epoch" if every == 1 else f"after every {every} epochs"
