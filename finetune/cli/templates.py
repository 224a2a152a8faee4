"""Measure a checkpoint on templates, as for IJB-B and IJB-C: verify pairs (1:1), identify (1:N), or both.

A template is a set of photos and video frames of one person. Its embedding is made of theirs, as in insightface's
evaluation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.cli.arguments import add_checkpoint
from finetune.cli.restored import restore, standardization_notes
from finetune.cli.values import new_file, path
from finetune.errors import DataError, Problem, RecipeError, bounded
from finetune.progress import say, say_aside
from finetune.verification.protocols import PROTOCOLS
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.arrays import Doubles
    from finetune.identification import TemplateIdentification
    from finetune.model import EmbeddingModel
    from finetune.verification import ImagePairs, Templates, VerificationResult

EXAMPLES = (
    "finetune templates ~/model list.csv ~/faces --pairs pairs.csv --far 1e-3,1e-4",
    "finetune templates ~/model list.csv ~/ijb --gallery g1.csv --probes mixed.csv",
)
(FAR,) = (option for option in PROTOCOLS["fixed_far"].options if option.name == "far")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the images of the templates, and what to measure."""
    add_checkpoint(parser)
    parser.add_argument(
        "list",
        metavar="LIST",
        help="images of the templates: a CSV with the columns image, template and media, or lines "
        "of the three without a header, as ijbc_face_tid_mid.txt",
    )
    parser.add_argument("images", metavar="IMAGES", help="folder of aligned faces that LIST names its images in")
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="verify these pairs of templates: template1,template2,label as CSV, or lines of the three, as "
        "ijbc_template_pair_label.txt; label 1 means one person",
    )
    parser.add_argument(
        "--far",
        type=_rates,
        metavar="RATES",
        help="false accept rates for --pairs, such as 1e-3,1e-4 (default: those of 1e-2 to 1e-6 that the pairs are "
        "enough for)",
    )
    parser.add_argument(
        "--gallery", metavar="FILE", help="enrolled templates: a CSV with the columns template and subject"
    )
    parser.add_argument("--probes", metavar="FILE", help="templates to identify in the gallery, in the same form")
    parser.add_argument("--flip", action="store_true", help="append the embedding of the mirror image")
    parser.add_argument("--json", metavar="FILE", help="write all figures, the curves and the settings as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the rates of the verification and of the identification; notes go to stderr."""
    from finetune.checkpoint import locate
    from finetune.files import write_json
    from finetune.identification import verification_errors
    from finetune.verification import pool, read_templates

    _refuse(options)
    target = new_file(options.json) if options.json else None
    templates = read_templates(path(options.list))
    pairs = _pairs(options, templates) if options.pairs else None
    sides = _sides(options, templates) if options.gallery else None
    locate(options.checkpoint)  # reports a missing checkpoint before the import of TensorFlow
    images = _images(templates, path(options.images))
    model = restore(options)
    _refuse_unusable(images, model, options.images)
    for note in standardization_notes(model, images):
        say_aside(note)
    pooled = pool(model.embed(images, flip=options.flip), templates)
    say(f"{counted(len(templates.names), 'template', ',')} of {counted(len(images), 'image', ',')}")
    stored: dict[str, Any] = {}
    if pairs is not None:
        verified = _verified(pooled, pairs, options.far)
        stored["verification"] = verified.to_json() | {"error_rates": verification_errors(verified)}
    if sides is not None:
        stored["identification"] = _identified(pooled, templates, *sides).to_json()
    if target:
        settings = {name: str(value) for name, value in vars(options).items() if name != "command" and value}
        write_json(target, {"settings": settings, "images": len(images), "templates": len(templates.names)} | stored)


def _pairs(options: argparse.Namespace, templates: Templates) -> ImagePairs:
    """Return the pairs of templates, before anything is embedded."""
    from finetune.verification import read_template_pairs, refuse_few_pairs, template_pairs

    pairs = template_pairs(templates, read_template_pairs(options.pairs), options.pairs)
    refuse_few_pairs(pairs, options.far, options.pairs)
    return pairs


def _sides(options: argparse.Namespace, templates: Templates) -> tuple[dict[str, str], dict[str, str]]:
    """Return the subjects of the gallery and of the probes, each by template."""
    from finetune.verification import read_subjects

    gallery, probes = read_subjects(options.gallery), read_subjects(options.probes)
    templates.rows([*gallery], options.gallery)
    templates.rows([*probes], options.probes)
    return gallery, probes


def _images(templates: Templates, folder: Path) -> list[Path]:
    """Return the path of each line's image.

    Raises:
        DataError: the folder or some images are missing.
    """
    if not folder.is_dir():
        raise DataError(Problem(folder, "found no folder", "give the one that holds the images of LIST"))
    paths = [folder / image for image in templates.images]
    missing = [image for image, place in zip(templates.images, paths, strict=True) if not place.is_file()]
    if missing:
        found = f"missing {len(missing)} of {counted(len(paths), 'image')} in the list, such as {missing[0]}"
        raise DataError(Problem(folder, found, "is it the folder of the aligned images?"))
    return paths


def _refuse_unusable(images: list[Path], model: EmbeddingModel, where: str) -> None:
    """Refuse images that are damaged or too small, before any long computation."""
    from finetune.images import inspect_images

    records = inspect_images(images).items()
    bad = [Problem(image, why) for image, record in records if (why := record.unusable(model.preprocessing.image_size))]
    if bad:
        raise DataError(*bounded(bad, where, "align all of them"))


def _verified(pooled: Doubles, pairs: ImagePairs, fars: tuple[float, ...] | None) -> VerificationResult:
    """Verify the pairs, and print the lines of the result."""
    from finetune.verification import possible_fars, verify_templates

    result = verify_templates(pooled, pairs, fars or possible_fars(pairs))
    say(f"{counted(result.n_pairs, 'pair', ',')}, {result.n_same:,} of one person")
    for line in result.lines():
        say(line)
    for note in result.notes:
        say_aside(note)
    return result


def _identified(
    pooled: Doubles, templates: Templates, gallery: dict[str, str], probes: dict[str, str]
) -> TemplateIdentification:
    """Identify the probes, and print the lines of the result."""
    from finetune.identification import FPIRS, identify_templates

    rows = templates.rows([*gallery], "gallery"), templates.rows([*probes], "probes")
    found = identify_templates(pooled[rows[0]], [*gallery.values()], pooled[rows[1]], [*probes.values()])
    for line in found.lines():
        say(line)
    if found.curve is not None and len(found.rates) < len(FPIRS):
        say_aside(f"too few people are not enrolled for an FPIR of {FPIRS[0]:g}")
    return found


def _refuse(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other, all at once."""
    problems = []
    if not (options.pairs or options.gallery or options.probes):
        problems.append(Problem("", "nothing to measure", "give --pairs, or --gallery and --probes"))
    if bool(options.gallery) != bool(options.probes):
        given, other = ("--gallery", "--probes") if options.gallery else ("--probes", "--gallery")
        problems.append(Problem(given, f"given without {other}", "give both, or neither"))
    if options.far and not options.pairs:
        problems.append(Problem("--far", "given without --pairs", "leave it out"))
    if problems:
        raise RecipeError(*problems)


def _rates(text: str) -> Any:
    try:
        return FAR.read(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}; give {FAR.wants}") from None
