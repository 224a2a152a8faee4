"""Validate a checkpoint on LFW's pairs by FaceNet's protocol or another one, and print its four lines."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from finetune.cli.arguments import add_checkpoint, add_lfw, lfw_section, new_file, restore, standardization_notes
from finetune.progress import say, say_aside
from finetune.verification.protocols import K_FOLD, PROTOCOLS, Option, all_options, by_name

if TYPE_CHECKING:
    from finetune.verification import GroupResult, VerificationResult


EXAMPLES = (
    "finetune validate ~/model --lfw ~/lfw_160 --pairs ~/lfw/pairs.txt",
    "finetune validate ~/model --lfw ~/faces --pairs pairs.txt --flip",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the pairs and the settings of the protocol."""
    add_checkpoint(parser)
    add_lfw(parser, required=True)
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
    parser.add_argument("--json", metavar="FILE", help="write the result and all settings as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the four lines, and one more if the pairs show people of the training; notes go to stderr."""
    from finetune.checkpoint import locate
    from finetune.files import write_json
    from finetune.images import inspect_images
    from finetune.verification import group_rates, measure_lfw, open_pairs, read_groups, read_names, usable

    target = new_file(options.json) if options.json else None
    lfw = lfw_section(options)
    assert lfw is not None  # both are required
    given = {name: value for name in all_options() if (value := getattr(options, name)) is not None}
    protocol = by_name(options.protocol, **given)
    named = read_names(options.trained) if options.trained else ()
    locate(options.checkpoint)  # reports a missing checkpoint before the import of TensorFlow
    pairs = open_pairs(lfw, protocol)
    groups = read_groups(options.groups, pairs) if options.groups else None
    model = restore(options)
    pairs = usable(pairs, lfw, model.preprocessing.image_size, inspect_images(pairs.paths))
    for note in (*pairs.notes, *standardization_notes(model, pairs.paths)):
        say_aside(note)
    result = measure_lfw(model.embed, pairs, lfw, model.class_names + named, protocol)
    _show(result, said=pairs.notes)
    by_group = group_rates(result, groups) if groups else None
    if by_group:
        _show_groups(by_group)
    if target:
        settings = {
            "checkpoint": str(model.source.prefix),
            "lfw": str(lfw.dir),
            "pairs": str(lfw.pairs),
            "images": len(pairs.paths),
            "missing": list(pairs.missing),
            "skipped_pairs": pairs.n_skipped,
            "trained": options.trained,
            "image_size": model.preprocessing.image_size,
            "standardization": model.preprocessing.standardization,
            "precision": model.precision,
            "runtime": model.runtime,
            "preprocessing_source": model.preprocessing.source,
        }
        write_json(target, result.to_json() | settings | ({"group_rates": by_group.to_json()} if by_group else {}))


def _reader(option: Option) -> Callable[[str], Any]:
    """Return the reader of an option's text. Its errors say what to give."""

    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"found {text!r}; give {option.wants}") from None

    return read


def _show(result: VerificationResult, said: Sequence[str]) -> None:
    """Print the four lines; notes go to stderr, except those already printed."""
    notes = [note for note in result.notes if note not in said]
    for line in result.lines():
        say(line)
    if result.without_overlap:
        say(f"Without {result.left_out}: {'; '.join(result.without_overlap.lines())}")
        notes += [f"without them, {note}" for note in result.without_overlap.notes]
    for note in notes:
        say_aside(note)


def _show_groups(result: GroupResult) -> None:
    """Print one table per column of the file of groups."""
    from finetune.progress import show
    from finetune.report import group_table

    for column in result.columns:
        show(group_table(column))
