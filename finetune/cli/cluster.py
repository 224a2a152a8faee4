"""Find the people in a folder of photos without names, and correct what was found."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint, add_min_face_size, add_recheck
from finetune.cli.restored import restore_of
from finetune.cli.values import number, path
from finetune.errors import DataError, Problem, RecipeError
from finetune.files import refuse_used
from finetune.paths import in_one_line, refuse_within
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.clustering import Correct, Done, Settings
    from finetune.model import EmbeddingModel

EXAMPLES = (
    "finetune cluster ~/photos people --align --checkpoint ~/model",
    "finetune cluster people --merge 0001 0007 --name 0002 Ann",
)

NOT_WITH_CORRECTIONS = (
    "align",
    "min_face_size",
    "gallery",
    "far",
    "threshold",
    "labelled",
    "anew",
    "recheck",
    "checkpoint",
)
"""Options that say how photos are clustered."""


class _Correction(argparse.Action):
    """An action that appends a correction, named by its option, to the list of corrections."""

    def __call__(self, _: object, options: argparse.Namespace, values: object, option: str | None = None) -> None:
        options.corrections = [*options.corrections, ((option or "").lstrip("-"), values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the photos, the folder to write, the rate, and the corrections."""
    parser.add_argument("photos", metavar="PHOTOS", help="folder of aligned faces, of any depth; or OUT, to correct it")
    parser.add_argument(
        "out", metavar="OUT", nargs="?", help="folder to write; one made before gets new photos and keeps the rest"
    )
    parser.add_argument(
        "--align", action="store_true", help="find faces first; PHOTOS may then show any number of faces"
    )
    add_min_face_size(parser)
    parser.add_argument("--gallery", metavar="GALLERY", help="gallery whose people are to be named")
    parser.add_argument(
        "--far",
        type=_share,
        metavar="RATE",
        help="share of the pairs of two people's faces that may lie in one cluster (default: 0.001)",
    )
    parser.add_argument(
        "--threshold", type=_similarity, metavar="SCORE", help="merge clusters with a mean similarity above this"
    )
    parser.add_argument(
        "--labelled", action="store_true", help="also print BCubed's figures; PHOTOS needs one folder per person"
    )
    for correction, names, about in (
        ("merge", ("A", "B"), "A and B are one person: numbers or names of clusters, or photos"),
        ("not-same", ("A", "B"), "A and B are two people"),
        ("name", ("A", "NAME"), "name the person A"),
    ):
        parser.add_argument(
            f"--{correction}",
            nargs=2,
            metavar=names,
            action=_Correction,
            dest="corrections",
            default=[],
            help=about,
        )
    parser.add_argument(
        "--split",
        nargs="+",
        metavar=("A", "PHOTO"),
        action=_Correction,
        dest="corrections",
        help="the photos do not belong to A; of several faces in a photo, PHOTO#2 is the second",
    )
    parser.add_argument(
        "--undo",
        nargs=0,
        action=_Correction,
        dest="corrections",
        help="take back the last correction; given twice, the last two",
    )
    parser.add_argument(
        "--anew", action="store_true", help="cluster all faces again, where a few new ones would join the others"
    )
    add_recheck(parser)
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Cluster the photos or apply the corrections; print the numbers of people and of faces apart."""
    _refuse(options)
    if options.corrections:
        from finetune.clustering import correct_clusters

        out = path(options.photos)
        _say(correct_clusters(out, _corrections(options.corrections)), out, far=None)
        return
    photos, out = path(options.photos), path(options.out)
    if not photos.is_dir():
        found = "not a folder" if photos.exists() else "no such folder"
        raise DataError(Problem(in_one_line(photos), found, "give a folder of aligned faces, or photos with --align"))
    refuse_within(out, photos)
    from finetune.clustering import read_settings, refuse_within_result, was_clustered

    kept = read_settings(out)[0] if was_clustered(out) else None
    if options.min_face_size and not (options.align or (kept and kept.align)):
        raise RecipeError(Problem("--min-face-size", "given without --align, which looks for faces"))
    if kept is None:
        refuse_used(out)
        refuse_within_result(out)
    done, settings = _cluster(options, photos, out, kept)
    gone = f", {done.gone} gone" if done.gone else ""
    say(f"{counted(done.embedded, 'photo')} new, {len(done.photos) - done.embedded} known or copies{gone}")
    joined = f"{counted(done.joined, 'new face')} beside the people found before, who stay"
    say(f"all faces clustered, {done.anew}" if done.anew else joined)
    _say(done, out, far=settings.far)
    if options.labelled:
        _labelled(done)


def _cluster(options: argparse.Namespace, photos: Path, out: Path, kept: Settings | None) -> tuple[Done, Settings]:
    """Cluster the photos with the options that are given, and otherwise those of the folder."""
    from finetune.clustering import FAR, Settings, absolute, changing, cluster_photos, read_clusters
    from finetune.gallery import Contract, fitting, read_contract, read_gallery

    _refuse_other_faces(options, kept, out)
    given = path(options.gallery) if options.gallery else None
    if kept is None or options.checkpoint:
        contract = kept.contract if kept else read_contract(given) if given else None
        model = restore_of(options, contract)
        contract = Contract.of(model)
        if kept and (differences := kept.contract.differences(contract)):
            raise DataError(Problem(in_one_line(out), differences, "give another OUT"))
    else:
        model, contract = None, kept.contract
    gallery = absolute(given) if given else kept.gallery if kept else None
    if gallery:
        fitting(read_gallery(gallery), contract, Path(gallery))
    settings = Settings(
        absolute(photos),
        kept.align if kept else options.align,
        kept.min_face_size if kept else options.min_face_size or 20,
        options.far or (kept.far if kept else FAR),
        options.threshold if options.threshold is not None or options.far or not kept else kept.threshold,
        gallery,
        contract,
    )

    def restore() -> EmbeddingModel:
        return model or restore_of(options, contract)

    if kept is None:
        return cluster_photos(out, settings, restore, recheck=options.recheck), settings
    with changing(out):
        before = read_clusters(out)
        return cluster_photos(out, settings, restore, before, anew=options.anew, recheck=options.recheck), settings


def _refuse_other_faces(options: argparse.Namespace, kept: Settings | None, out: Path) -> None:
    """Refuse options that would find other faces than those that the folder holds."""
    if kept is None:
        return
    other_size = options.min_face_size and options.min_face_size != kept.min_face_size
    if (options.align and not kept.align) or other_size:
        made = f"--align --min-face-size {kept.min_face_size}" if kept.align else "aligned faces, without --align"
        raise RecipeError(Problem(in_one_line(out), f"made from {made}", "leave the options out, or give another OUT"))
    problems = []
    for name in ("image_size", "standardization", "convert"):
        given, made = getattr(options, name), getattr(kept.contract, name)
        if given is not None and given != made:
            found = f"{in_one_line(out)} was made {'without it' if made is False else f'with {made}'}"
            problems.append(Problem(f"--{name.replace('_', '-')}", found, "leave it out, or give another OUT"))
    if problems:
        raise RecipeError(*problems)


def _say(done: Done, out: Path, *, far: float | None) -> None:
    """Print the numbers of people and of faces, and the threshold."""
    from finetune.clustering import is_poor

    inside = [line for line in done.lines if line.cluster]
    people = {line.cluster for line in inside}
    named = f", {len(done.people.names)} of them named" if done.people.names else ""
    say(f"{counted(len(people), 'person')}{named}, {counted(len(inside), 'face')}: {in_one_line(out / 'people')}")
    single = sum(line.apart == "single" for line in done.lines)
    poor = sum(is_poor(line.apart) for line in done.lines)
    rest = sum(bool(line.apart) for line in done.lines) - single - poor
    say(f"apart: {single} of people seen once, {poor} poor, {rest} without a usable face")
    rate = "" if far is None or done.people.source == "as given" else f", for a share of {far:g} of wrong pairs"
    left = done.people.left
    metric = " in a metric learned from the faces" if left and left.metric.matrix is not None else ""
    say(f"merged above a mean similarity of {done.people.threshold:.3f}{metric}, {done.people.source}{rate}")
    say(f"their faces: {in_one_line(out / 'people.html')}")


def _labelled(done: Done) -> None:
    from finetune.clustering import agreement

    found = agreement(done)
    if found is None:
        say_aside("--labelled: no face lies in a folder of its person")
        return
    figures, n = found
    say(
        f"BCubed of {counted(n, 'face')}: precision {figures.precision:.4f}, recall {figures.recall:.4f}, "
        f"F {figures.f:.4f}; {figures.merged:.5f} of the pairs of two people's faces lie in one cluster"
    )


def _corrections(given: Sequence[tuple[str, Sequence[str]]]) -> list[Correct]:
    from finetune.clustering import merging, naming, parting, splitting, undoing

    made: dict[str, Callable[..., Correct]] = {"merge": merging, "not-same": parting, "name": naming, "undo": undoing}
    return [
        splitting(values[0], values[1:]) if option == "split" else made[option](*values) for option, values in given
    ]


def _refuse(options: argparse.Namespace) -> None:
    """Refuse options that contradict others, all at once."""
    problems = []
    if options.corrections:
        given = [f"--{name.replace('_', '-')}" for name in NOT_WITH_CORRECTIONS if getattr(options, name)]
        problems = [Problem(option, "given with a correction", "give it with PHOTOS and OUT") for option in given]
        if options.out:
            problems.append(Problem(in_one_line(options.out), "given with a correction", "give OUT without PHOTOS"))
    elif not options.out:
        problems.append(Problem("OUT", "not given", "give PHOTOS and OUT, or OUT and a correction"))
    if options.far and options.threshold is not None:
        problems.append(Problem("--threshold", "given with --far, which finds it", "give one of them"))
    for option, values in options.corrections:
        if option == "split" and len(values) < 2:
            problems.append(Problem("--split", "no photo given", "give a cluster and its photos that do not belong"))
    if problems:
        raise RecipeError(*problems)


def _share(text: str) -> float:
    """Read an option's value: a share of pairs, above 0 and below 0.1."""
    return number(text, lambda value: 0 < value < 0.1, "a number above 0 and below 0.1")


def _similarity(text: str) -> float:
    """Read an option's value: a mean similarity."""
    return number(text, lambda value: -1 <= value <= 1, "a number from -1 to 1")
