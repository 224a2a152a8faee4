"""Validate a checkpoint on LFW's pairs, or on several sets of pairs, and print four lines for each set."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.cli.arguments import add_checkpoint, add_lfw, section_of
from finetune.cli.discard import add_discard, refuse_sets_to_discard, show_discard
from finetune.cli.restored import restore, standardization_notes
from finetune.cli.robustness import add_perturb, chosen, refuse_several, show_robustness
from finetune.cli.values import new_file, path
from finetune.errors import Problem, UserError, attempt
from finetune.progress import say, say_aside, show
from finetune.verification.protocols import K_FOLD, PROTOCOLS, Option, all_options, by_name

if TYPE_CHECKING:
    from rich.table import Table

    from finetune.model import EmbeddingModel
    from finetune.verification import PairSet, VerificationResult


EXAMPLES = (
    "finetune validate ~/model --lfw ~/lfw_160 --pairs ~/lfw/pairs.txt",
    "finetune validate ~/model --measure sets.yaml",
)
OF_THE_FILE = {"lfw": None, "pairs": None, "distance": "euclidean", "subtract_mean": False, "flip": False}
OF_THE_FILE |= {"missing": "error", "protocol": K_FOLD.name, "groups": None}
"""Options that a file of sets has for each set, with their defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the pairs and the settings of the protocol."""
    add_checkpoint(parser)
    add_lfw(parser, several=True)
    parser.add_argument(
        "--measure",
        metavar="FILE",
        help="several sets of pairs: a YAML file with the list measure of a recipe, in place of --lfw and --pairs",
    )
    parser.add_argument(
        "--trained",
        metavar="PEOPLE",
        help="people of the training, besides those in class_names.txt beside the checkpoint: "
        "a folder of people, or a text file with one name per line",
    )
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        default=K_FOLD.name,
        help="; ".join(f"{protocol.name}: {protocol.summary}" for protocol in PROTOCOLS.values()),
    )
    for name, option in all_options().items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=_reader(option), metavar=option.metavar, help=option.help)
    parser.add_argument(
        "--groups",
        metavar="FILE",
        help="rates by group of people; a CSV file with the header identity,GROUP,… and one person per line",
    )
    add_perturb(parser)
    add_discard(parser)
    parser.add_argument("--json", metavar="FILE", help="write the result and all settings as JSON")


def run(options: argparse.Namespace) -> None:
    """Print four lines per set, and one more if its pairs show people of the training; notes go to stderr."""
    from finetune.checkpoint import locate
    from finetune.files import write_json
    from finetune.images import inspect_images
    from finetune.verification import distinct_images, measure_sets, read_names

    perturbations, picture = chosen(options)
    target = new_file(options.json) if options.json else None
    opened = _from_file(options) if options.measure else _from_options(options)
    named = read_names(options.trained) if options.trained else ()
    locate(options.checkpoint)  # reports a missing checkpoint before all else
    sets = _all_of(opened)
    refuse_several(sets, perturbations)
    refuse_sets_to_discard(sets, options.discard)
    model = restore(options)
    paths = distinct_images(sets, flip=False)
    records = inspect_images(paths)
    sets = _all_of([functools.partial(_usable, one, model, records) for one in sets])
    several = len(sets) > 1 or bool(options.measure)
    said = [f"{one.name}: {note}" if several else note for one in sets for note in one.pairs.notes]
    for note in (*said, *standardization_notes(model, paths)):
        say_aside(note)
    embed = functools.lru_cache(1)(model.embed)  # a perturbation starts from the same clean images
    results = measure_sets(embed, sets, model.class_names + named, records)
    for one in sets:
        _show(results[one.name], said=one.pairs.notes, name=one.name if several else "")
    if len(sets) > 1:
        show(_table(results))
    further: dict[str, Any] = {}
    if perturbations:
        measured = show_robustness(embed, sets[0], perturbations, model.preprocessing.image_size, picture)
        further = {"robustness": measured.to_json()}
    if options.discard:
        curve = show_discard(sets[0], results[sets[0].name], records, options.discard)
        further |= {"discard": curve.to_json()}
    if target:
        if several:
            of_sets = {one.name: _numbers(results[one.name]) | _settings_of(one) for one in sets}
            write_json(target, _settings(model, options.trained) | {"sets": of_sets} | further)
        else:
            settings = _settings(model, options.trained, sets[0])
            write_json(target, _numbers(results[sets[0].name]) | settings | further)


def _from_options(options: argparse.Namespace) -> list[Callable[[], PairSet]]:
    """Return functions that open the sets that `--lfw` and `--pairs` give, named by the stems of their files."""
    from finetune.verification import OF_LFW, PairSet
    from finetune.verification.formats import holds_images

    lacking = [] if options.pairs else ["--pairs"]
    if not options.lfw and not all(map(holds_images, options.pairs or [""])):
        lacking.insert(0, "--lfw")
    if lacking:
        raise UserError(*(Problem(flag, "not given", "give --lfw and --pairs, or --measure") for flag in lacking))
    protocol = by_name(options.protocol, **_own_options(options))
    stems = [Path(file).stem for file in options.pairs] if len(options.pairs) > 1 else [OF_LFW]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        told = "two files of this name", "rename one, or give --measure, where each set has a name"
        raise UserError(*(Problem(f"--pairs {stem}", *told) for stem in twice))

    def opened(stem: str, file: str) -> PairSet:
        one = PairSet.open(OF_LFW, section_of(options, file), protocol)
        return dataclasses.replace(one, name=stem)

    return [functools.partial(opened, stem, file) for stem, file in zip(stems, options.pairs, strict=True)]


def _from_file(options: argparse.Namespace) -> list[Callable[[], PairSet]]:
    """Return functions that open the sets of `--measure`, each with the share of its pairs that it asks for."""
    from finetune.recipe import MeasuredSet, load_sets
    from finetune.verification import PairSet

    others = [name for name, default in OF_THE_FILE.items() if getattr(options, name) != default]
    flags = [f"--{name.replace('_', '-')}" for name in (*others, *_own_options(options))]
    if flags:
        raise UserError(*(Problem(flag, "found it beside --measure", "write it in that file") for flag in flags))

    def opened(section: MeasuredSet) -> PairSet:
        return PairSet.open(section.name, section).sampled()

    return [functools.partial(opened, section) for section in load_sets(path(options.measure))]


def _own_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of single protocols that were given."""
    return {name: value for name in all_options() if (value := getattr(options, name)) is not None}


def _all_of(reads: Sequence[Callable[[], PairSet]]) -> list[PairSet]:
    """Return what each function returns.

    Raises:
        UserError: some sets can't be used; every problem of every set is one line.
    """
    problems: list[Problem] = []
    found = [attempt(problems, read) for read in reads]
    if problems:
        raise UserError(*dict.fromkeys(problems))  # several sets may share a folder that is missing
    return [one for one in found if one]


def _usable(one: PairSet, model: EmbeddingModel, records: Mapping[Path, Any]) -> PairSet:
    from finetune.verification import usable

    crop = model.preprocessing.image_size
    return dataclasses.replace(one, pairs=usable(one.pairs, one.section, crop, records))


def _settings(model: EmbeddingModel, trained: str | None, one: PairSet | None = None) -> dict[str, Any]:
    """Return the settings that all sets share, and those of `one` if it is the only set."""
    return {
        "checkpoint": str(model.checkpoint),
        **(_settings_of(one) if one else {}),
        "trained": trained,
        "image_size": model.preprocessing.image_size,
        "standardization": model.preprocessing.standardization,
        "precision": model.precision,
        "runtime": model.runtime,
        "preprocessing_source": model.preprocessing.source,
    }


def _settings_of(one: PairSet) -> dict[str, Any]:
    """Return the settings of one set."""
    return {
        "lfw": str(one.section.dir),
        "pairs": str(one.section.pairs),
        "images": len(one.pairs.paths),
        "missing": list(one.pairs.missing),
        "skipped_pairs": one.pairs.n_skipped,
    }


def _reader(option: Option) -> Callable[[str], Any]:
    """Return the reader of an option's text. Its errors say what to give."""

    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"found {text!r}; give {option.wants}") from None

    return read


def _show(result: VerificationResult, said: Sequence[str], name: str) -> None:
    """Print the four lines, below the set's name if it has one; notes go to stderr, except those already printed."""
    from finetune.report import group_table
    from finetune.verification import group_rates

    notes = [note for note in result.notes if note not in said]
    if name:
        say(f"{name}:")
    for line in result.lines():
        say(line)
    if result.without_overlap:
        say(f"Without {result.left_out}: {'; '.join(result.without_overlap.lines())}")
        notes += [f"without them, {note}" for note in result.without_overlap.notes]
    for column in group_rates(result, result.groups).columns if result.groups else ():
        show(group_table(column))
    for note in notes:
        say_aside(f"{name}: {note}" if name else note)


def _numbers(result: VerificationResult) -> dict[str, Any]:
    """Return the result for `--json`, with its error rates, and those of its groups."""
    from finetune.identification import verification_errors
    from finetune.verification import group_rates

    rates = {"group_rates": group_rates(result, result.groups).to_json()} if result.groups else {}
    return result.to_json() | {"error_rates": verification_errors(result)} | rates


def _table(results: Mapping[str, VerificationResult]) -> Table:
    """Make the table of several sets."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("pairs", "protocol", "number", "accuracy", "VAL", "at FAR", "AUC", "EER"):
        table.add_column(column, justify="left" if column in ("pairs", "protocol") else "right", no_wrap=True)
    for name, result in results.items():
        eer = "none" if result.eer is None else f"{result.eer:.4f}"
        figures = [f"{result.accuracy:.4f}", f"{result.val:.4f}", f"{result.far_target:g}", f"{result.auc:.4f}", eer]
        table.add_row(name, result.protocol.get("name", K_FOLD.name), f"{result.n_pairs:,}", *figures)
    return table
