"""The option `--migrate` of `finetune gallery`: a gallery goes on with another checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.restored import restore, restore_of
from finetune.cli.values import new_file, probability
from finetune.errors import DataError, Problem, RecipeError
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Gallery, Migration, MigrationRates
    from finetune.model import EmbeddingModel

NEEDING = ("photos", "labelled", "max_drop", "output", "dry_run", "force", "checkpoint")
MOST_DROP = 0.01
FAR = 0.01
"""False accept rate of the thresholds that are shown."""


def add_migration(parser: argparse.ArgumentParser) -> None:
    """Add `--migrate` and the options that go with it."""
    parser.add_argument(
        "--migrate",
        metavar="CHECKPOINT",
        help="go on with this checkpoint, such as one fine-tuned from the gallery's: photos that are there are "
        "embedded again, the embeddings of the others are mapped",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="aligned faces, for --migrate: photos of the gallery that have moved, and others to fit the map on",
    )
    parser.add_argument(
        "--labelled",
        metavar="FOLDER",
        help="aligned faces of enrolled people, one folder per person, on which --migrate measures what is lost; by "
        "default, the enrolled photos that are there, each left out in turn",
    )
    parser.add_argument(
        "--max-drop",
        type=probability,
        metavar="SHARE",
        help=f"refuse to migrate if the identification rate falls by more than this (default: {MOST_DROP})",
    )
    parser.add_argument("--output", metavar="FILE", help="write the migrated gallery here, and leave GALLERY as it is")
    parser.add_argument("--dry-run", action="store_true", help="print what --migrate would do and lose; write nothing")
    parser.add_argument("--force", action="store_true", help="migrate whatever is lost, or if nothing can be measured")
    parser.add_argument(
        "--checkpoint", metavar="CHECKPOINT", help="the gallery's own checkpoint, for --migrate, if it has moved"
    )


def refuse_migration_options(options: argparse.Namespace) -> None:
    """Refuse options that need `--migrate`, and those that do not go with it, all at once."""
    if options.migrate is None:
        given = [name for name in NEEDING if getattr(options, name) not in (None, False)]
        problems = [Problem(f"--{name.replace('_', '-')}", "given without --migrate", "give both") for name in given]
    else:
        others = [*(f"--{change.replace('_', '-')}" for change, _ in options.changes)]
        others += ["--export"] if options.export else []
        problems = [Problem(flag, "given with --migrate", "give one at a time") for flag in dict.fromkeys(others)]
    if options.dry_run and options.output:
        problems.append(Problem("--output", "given with --dry-run, which writes nothing", "drop one"))
    if problems:
        raise RecipeError(*problems)


def migrate(options: argparse.Namespace, target: Path, gallery: Gallery) -> None:
    """Migrate a gallery, or only measure it; print what was done and what it costs."""
    output = _output(options.output, target) if options.output else None
    if not len(gallery):
        raise DataError(Problem(in_one_line(target), "nobody is enrolled", "see finetune enroll --help"))
    model = restore(_checkpoint(options.migrate))
    from finetune.gallery import plan_migration, write_migration

    def old() -> EmbeddingModel:
        return restore_of(_checkpoint(options.checkpoint), gallery.contract)

    found = plan_migration(target, gallery, model, old, options.photos, options.labelled)
    _show(target, found)
    if options.dry_run:
        return
    if not options.force:
        found.refuse_loss(target, MOST_DROP if options.max_drop is None else options.max_drop)
    write_migration(target, found, output)
    say(f"{in_one_line(output or target)}: written, for {in_one_line(found.after.contract.checkpoint)}")


def _checkpoint(given: str | None) -> argparse.Namespace:
    """Return the options by which a checkpoint is restored as it is known to be."""
    defaults = {"precision": "float32", "runtime": None, "weights": "variables"}
    return argparse.Namespace(checkpoint=given, image_size=None, standardization=None, convert=None, **defaults)


def _output(text: str, target: Path) -> Path:
    """Return the path of the new gallery, where nothing is yet."""
    out = new_file(text)
    if out.resolve() == target.resolve():
        raise RecipeError(Problem(out, "the gallery itself", "leave --output out, or give another file"))
    if out.exists():
        raise RecipeError(Problem(out, "is there already", "give a new file"))
    return out


def _show(target: Path, found: Migration) -> None:
    """Print what happens to the photos, the certificate of the map, the rates and the thresholds."""
    say(f"{in_one_line(target)}: {counted(found.embedded, 'photo')} embedded again, {found.mapped} mapped")
    if found.certificate:
        say(str(found.certificate))
    if found.rates:
        _show_rates(found.rates)
    before, after = (_threshold(gallery) for gallery in (found.before, found.after))
    if before is not None and after is not None:
        say(f"named above a score of {after:.4f} for a false accept rate of {FAR:g}; it was {before:.4f}")
    if found.after.strangers.maps.any():
        say_aside("thresholds rest on mapped strangers; --photos FOLDER with their aligned faces embeds them again")


def _show_rates(rates: MigrationRates) -> None:
    say(f"rank-1 identification rate on {rates.probes}:")
    for name, rate in rates.rows():
        say(f"  {name}: {rate}")


def _threshold(gallery: Gallery) -> float | None:
    """Return the threshold of the nearest prototype; None if there are too few people to calibrate it by."""
    from finetune.gallery import NearestPrototype, calibrate

    try:
        classifier = NearestPrototype().fit(gallery.embeddings, gallery.labels)
        return calibrate(gallery, classifier, "prototype", FAR).value
    except DataError:
        return None
