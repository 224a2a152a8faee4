"""The arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from finetune.backbones import STANDARDIZATIONS, WEIGHTS
from finetune.cli.values import image_size, path, whole_number
from finetune.errors import Problem, RecipeError, UserError
from finetune.images import EMBEDDING_RUNTIMES, PRECISIONS
from finetune.paths import find_file, in_one_line
from finetune.progress import say_aside

if TYPE_CHECKING:
    from finetune.dataset import Quarantined
    from finetune.recipe import LFW, Recipe

MOST_LINES = 20
"""Largest number of photos or names that a command lists one by one."""


def add_recipe(parser: argparse.ArgumentParser, others: Mapping[str, tuple[str, str]] | None = None) -> None:
    """Add `RECIPE [key=value ...]`.

    Args:
        parser: parser of the command.
        others: arguments between the two, by name: how the help shows each, and its meaning.
    """
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file, such as recipes/vggface2.yaml")
    for name, (shown, about) in (others or {}).items():
        parser.add_argument(name, metavar=shown, help=about)
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="overrides of recipe values, such as data.train=~/faces",
    )


def add_recheck(parser: argparse.ArgumentParser) -> None:
    """Add --recheck, for commands that use the records of images that were read before."""
    parser.add_argument(
        "--recheck",
        action="store_true",
        help="read every image again; by default a file is read once, until its size or its time of change differs",
    )


def load_recipe(options: argparse.Namespace) -> Recipe:
    """Load the recipe with its overrides.

    Raises:
        RecipeError: the recipe or an override can't be used; one line per problem.
    """
    from finetune.recipe import Recipe

    return Recipe.load(find_file(options.recipe), overrides_of(options))


def overrides_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the overrides of the recipe, by dotted key.

    Raises:
        RecipeError: an argument is no setting, or is given twice; one line per argument.
    """
    pairs = [text.partition("=") for text in options.overrides]
    unusable = [text for text, (key, equals, _) in zip(options.overrides, pairs, strict=True) if not key or not equals]
    if unusable:
        raise RecipeError(*(Problem(f"command line {text!r}", "not a setting", "write key=value") for text in unusable))
    repeated = sorted({key for key, _, _ in pairs if [k for k, _, _ in pairs].count(key) > 1})
    if repeated:
        raise RecipeError(*(Problem(f"command line {key}", "given twice", "give it once") for key in repeated))
    return {key: value for key, _, value in pairs}


def add_checkpoint(parser: argparse.ArgumentParser, *, optional: bool = False, computes: bool = True) -> None:
    """Add `CHECKPOINT`, or `--checkpoint` if it is optional, and the options for its input.

    Args:
        parser: parser of the command.
        optional: whether the checkpoint is an option.
        computes: whether precision and runtime are options too.
    """
    parser.add_argument(
        "--checkpoint" if optional else "checkpoint",
        metavar="CHECKPOINT",
        help="directory, prefix, or any file of a checkpoint",
    )
    parser.add_argument(
        "--standardization",
        choices=STANDARDIZATIONS,
        metavar="NAME",
        help=f"standardization of the images ({', '.join(STANDARDIZATIONS)}); default: what the checkpoint expects",
    )
    parser.add_argument(
        "--image-size",
        type=image_size,
        metavar="PIXELS",
        help="input size in pixels; default: what the checkpoint expects (160 for the published ones)",
    )
    parser.add_argument(
        "--convert",
        action="store_true",
        default=None,
        help="convert RGB images for a network that takes grey; default: what its training did",
    )
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        default="variables",
        help="values to take (default: variables); averages: the moving averages that the training kept of them",
    )
    if not computes:
        return
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="precision of the convolutions (default: float32); bfloat16 is faster on hardware that supports it",
    )
    parser.add_argument(
        "--runtime",
        choices=EMBEDDING_RUNTIMES,
        help="runtime of the network; default: onnxruntime, by a graph that TensorFlow makes once per checkpoint; or "
        "tensorflow, for bfloat16 and on GPUs; openvino is an extra for CPUs",
    )


PAIRS = (
    "LFW's pairs.txt, a table of two images and 0 or 1 per line, a list of CALFW or CPLFW, CFP's folder "
    "Protocol/Split/FP, or a .bin file of InsightFace"
)


def add_lfw(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add `--lfw DIR --pairs FILE` and the settings of the protocol.

    Args:
        parser: parser of the command.
        several: True if `--pairs` may be given several times, so that its value is a list.
    """
    about = "folder of aligned faces, DIR/NAME/NAME_0001.png or .jpg; not needed with a .bin file"
    parser.add_argument("--lfw", metavar="DIR", help=about)
    if several:
        about = f"{PAIRS}; may be given several times, for several sets of pairs"
        parser.add_argument("--pairs", metavar="FILE", action="append", help=about)
    else:
        parser.add_argument("--pairs", metavar="FILE", help=PAIRS)
    parser.add_argument(
        "--distance",
        choices=("euclidean", "cosine"),
        default="euclidean",
        help="distance between embeddings (default: euclidean)",
    )
    parser.add_argument("--subtract-mean", action="store_true", help="subtract the mean embedding of the other folds")
    parser.add_argument(
        "--flip", action="store_true", help="append the embedding of the mirror image to that of each image"
    )
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="stop at missing images (default: error), or skip their pairs",
    )


def lfw_section(options: argparse.Namespace) -> LFW | None:
    """Return the pairs and the protocol's settings, or None if no pairs are given.

    Raises:
        UserError: `--lfw` or `--pairs` is given without the other.
    """
    from finetune.verification.formats import holds_images

    if not options.lfw and not options.pairs:
        return None
    if not options.pairs or not (options.lfw or holds_images(options.pairs)):
        given, other = ("--lfw", "--pairs") if options.lfw else ("--pairs", "--lfw")
        raise UserError(Problem(given, f"given without {other}", "give both, or neither"))
    return section_of(options, options.pairs)


def section_of(options: argparse.Namespace, pairs: str) -> LFW:
    """Return a file of pairs with the options of `add_lfw`. A file that holds its images needs no folder."""
    from finetune.recipe import LFW

    protocol = {name: getattr(options, name) for name in ("distance", "subtract_mean", "flip", "missing")}
    groups = getattr(options, "groups", None)
    return LFW(dir=path(options.lfw or pairs), pairs=path(pairs), groups=path(groups) if groups else None, **protocol)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add `--seed N`."""
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=666,
        metavar="N",
        help="seed of the draw (default: 666); the same seed gives the same result",
    )


def add_min_face_size(parser: argparse.ArgumentParser) -> None:
    """Add `--min-face-size PIXELS`, for a command with `--align`."""
    parser.add_argument(
        "--min-face-size",
        type=whole_number(12, 4096),
        metavar="PIXELS",
        help="side of the smallest face that --align finds (default: 20)",
    )


def say_left_out(left_out: Sequence[Quarantined]) -> None:
    """Print on stderr, for each reason, the number of files left out and the first one."""
    reasons: dict[str, list[Quarantined]] = {}
    for entry in left_out:
        reasons.setdefault(entry.reason, []).append(entry)
    for reason, entries in sorted(reasons.items(), key=lambda item: -len(item[1])):
        first = in_one_line(entries[0].path)
        say_aside(f"left out: {len(entries):>7,} {reason}: {first}{', …' if len(entries) > 1 else ''}")
