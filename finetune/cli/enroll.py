"""Add photos of people to a gallery, which is created if needed. Only new photos are embedded."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import MOST_LINES, add_checkpoint, add_min_face_size, say_left_out
from finetune.cli.restored import restore_of, standardization_notes
from finetune.cli.values import new_file, path
from finetune.errors import DataError, Problem, RecipeError
from finetune.names import normal, spelled_alike, why_unusable
from finetune.paths import find_images, in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.dataset import Quarantined
    from finetune.gallery import Enrolment, Gallery, ListedFace, NamedImages
    from finetune.model import EmbeddingModel


EXAMPLES = (
    "finetune enroll friends.h5 ~/photos --align --checkpoint ~/model",
    "finetune enroll friends.h5 ~/strangers --align --strangers",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the photos, and the checkpoint."""
    parser.add_argument("gallery", metavar="GALLERY", help="file of the gallery, such as people.h5")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="folder with one folder of aligned faces per person; a .csv file of photo,left,top,right,bottom,name; the "
        "folder that finetune cluster wrote; or features pickled by another tool, such as all_features.pkl",
    )
    parser.add_argument("--name", help="name of the only person in FOLDER, which may also be a single photo")
    parser.add_argument("--align", action="store_true", help="find and crop faces first; FOLDER holds photos")
    add_min_face_size(parser)
    parser.add_argument(
        "--strangers",
        action="store_true",
        help="add FOLDER's people as strangers: they are not enrolled, but thresholds are computed from all strangers",
    )
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Enrol the photos, and print the numbers of new and known ones; suspect photos go to stderr."""
    from finetune.gallery import is_list, read_contract, read_faces

    folder = path(options.folder)
    target = new_file(options.gallery, folder)
    pickled = folder.suffix in (".pkl", ".pickle")
    _refuse(options, folder, pickled=pickled)
    listed = read_faces(folder) if is_list(folder) else None
    model = restore_of(options, read_contract(target) if target.exists() else None)
    from finetune.gallery import import_features

    if pickled:
        gallery, added, owners = import_features(target, folder, model)
        say(
            f"{in_one_line(folder)}: {counted(added, 'embedding')} of {counted(owners, 'person')} enrolled, "
            f"taken to be of {model.source.name}: nothing in the file says what they are of"
        )
    elif options.strangers:
        gallery = _strangers(options, target, folder, model)
    else:
        gallery = _enroll(options, target, model, listed)
    for first, name in spelled_alike(gallery.people)[:MOST_LINES]:
        twice = f"{name} and {first} are one name, enrolled as two people"
        say_aside(f"look again: {twice}; finetune gallery --merge makes them one")
    people = counted(len(gallery.people), "person")
    say(f"{in_one_line(target)}: {people}, {counted(len(gallery), 'photo')}")


def _enroll(
    options: argparse.Namespace, target: Path, model: EmbeddingModel, listed: Sequence[ListedFace] | None
) -> Gallery:
    """Enrol the photos of a folder, or listed faces."""
    from finetune.gallery import cut_listed, enroll

    size = model.preprocessing.image_size
    with tempfile.TemporaryDirectory(prefix="finetune-") as place:
        if listed is None:
            given = _people(options, size)
        else:
            least = options.min_face_size or 20
            given = cut_listed(listed, size, Path(place), detect=options.align, min_face_size=least)
        say_left_out(given.left_out)
        done = enroll(target, given.people, model, sources=given.sources, boxed=given.boxed)
        if done.embedded:
            images = [photo for photos in given.people.values() for photo in photos]
            _say_size(images, size)
            for note in standardization_notes(model, images):
                say_aside(note)
            known = {photo for photo, *_ in (*done.already, *done.copies, *done.denied)}
            known |= {entry.path for entry in done.left_out}
            _say_poor([photo for photo in images if photo not in known], given.sources)
    _say_done(done, given.sources)
    return done.gallery


def _say_done(done: Enrolment, sources: Mapping[Path, Path]) -> None:
    """Print what was enrolled, and what to look at again."""
    say_left_out(_originals(done.left_out, sources))
    _say_same(done.already, sources, "there already", "there already, as {}")
    _say_same(done.copies, sources, "copies of other new photos", "a copy of a new photo of {}")
    if done.denied:
        names = ", ".join(dict.fromkeys(name for _, name in done.denied))
        say_aside(
            f"left out, as decided: {counted(len(done.denied), 'photo')} of a face that was removed from {names}; "
            "finetune gallery --take-back allows it again"
        )
    for suspect in done.lookalikes[:MOST_LINES]:
        say_aside(f"look again: {suspect}")
    if done.lookalikes:
        say_aside("finetune gallery --remove-photo and --move-photo put right what is wrong")
    new = f"{counted(len(done.new_people), 'person')} new" if done.new_people else "nobody new"
    copies = f", {counted(len(done.copies), 'copy')} of new ones" if done.copies else ""
    say(f"{counted(done.embedded, 'photo')} enrolled ({new}), {len(done.already)} there already{copies}")


def _strangers(options: argparse.Namespace, target: Path, folder: Path, model: EmbeddingModel) -> Gallery:
    """Add the strangers; their crops, whose file names may be people's names, are deleted afterwards."""
    from finetune.gallery import enroll_strangers, short

    sources: dict[Path, Path] = {}
    with tempfile.TemporaryDirectory(prefix="finetune-") as place:
        if options.align:
            folder, sources = _aligned(folder, model.preprocessing.image_size, options, Path(place))
            sources |= {crop.parent: photo.parent for crop, photo in sources.items()}  # a person is left out by folder
        strangers = enroll_strangers(target, folder, model)
    gallery = strangers.gallery
    say_left_out(_originals(strangers.left_out, sources))
    for photo, name in strangers.lookalikes[:MOST_LINES]:
        say_aside(f"look again: {short(sources.get(photo, photo))}: a stranger who looks like {name}")
    people = counted(len(set(gallery.stranger_labels.tolist())), "stranger")
    photos = counted(len(gallery.strangers), "photo")
    say(f"{counted(strangers.added, 'photo')} of strangers added: {people} with {photos} to calibrate by")
    return gallery


def _refuse(options: argparse.Namespace, folder: Path, *, pickled: bool) -> None:
    """Refuse wrong options before a checkpoint is opened, all at once."""
    problems: list[Problem] = []
    if not folder.exists() and not pickled:
        problems.append(Problem(in_one_line(folder), "no such file or folder", "give a folder of people, or photos"))
    problem = None if options.name is None else why_unusable(normal(options.name))
    if problem:
        problems.append(replace(problem, advice="give another --name"))
    if options.min_face_size and not options.align:
        problems.append(Problem("--min-face-size", "given without --align, which looks for faces"))
    if pickled and (options.name or options.align or options.strangers):
        problems.append(Problem(options.folder, "embeddings, not photos", "leave --name, --align and --strangers out"))
    from finetune.gallery import is_list

    if is_list(folder) and (options.name or options.strangers):
        flag = "--name" if options.name else "--strangers"
        problems.append(Problem(flag, f"given with {in_one_line(folder)}, which names the people", "leave it out"))
    if options.strangers and options.name:
        problems.append(Problem("--name", "given with --strangers, whose names are not kept", "drop one"))
    if problems:
        raise RecipeError(*problems)


def _people(options: argparse.Namespace, size: int) -> NamedImages:
    """Return the images of a folder of people, or of one person's folder or photo."""
    from finetune.dataset import UNPLACED, layout
    from finetune.gallery import NamedImages

    given, sources = path(options.folder), dict[Path, Path]()
    if options.name is None and given.is_file():
        raise DataError(Problem(in_one_line(given), "one photo", "say with --name whose it is"))
    if options.name is None and not layout(given).files:
        advice = f"put each person's photos into one, or give --name; {_finding(options)}"
        raise DataError(Problem(in_one_line(given), "no folders in it", advice))
    folder = given
    if options.align:
        folder, sources = _aligned(given, size, options)
    if options.name is not None:
        return NamedImages({options.name: list(find_images(folder))}, sources)
    found = layout(folder)
    say_left_out(_originals(found.misplaced, sources))
    if sum(entry.reason == UNPLACED for entry in found.misplaced) > len(found.every):
        say_aside(_finding(options))
    return NamedImages({name: list(photos) for name, photos in found.files.items()}, sources)


def _finding(options: argparse.Namespace) -> str:
    """Return the words that say how to find the people of photos without names."""
    align = " --align" if options.align else ""
    photos = shlex.quote(in_one_line(path(options.folder)))
    return f"finetune cluster {photos} OUT{align} finds the people in photos without names"


def _originals(left_out: Sequence[Quarantined], sources: Mapping[Path, Path]) -> list[Quarantined]:
    """Return the files that are left out, each crop as the photo that it was cut from."""
    return [replace(entry, path=sources.get(entry.path, entry.path)) for entry in left_out]


def _aligned(
    photos: Path, size: int, options: argparse.Namespace, place: Path | None = None
) -> tuple[Path, dict[Path, Path]]:
    """Return the folder of the crops, and the photo of each crop."""
    from finetune.align import Alignment, aligned, targets

    alignment = Alignment(size=size, min_face_size=options.min_face_size or 20)
    folder, coverage = aligned(photos, alignment, place)
    for outcome in coverage.failures:
        say_aside(f"left out: {in_one_line(outcome.photo)}: {outcome.failure}")
    for remark in coverage.remarks(alignment):
        say_aside(remark)
    root = photos if photos.is_dir() else photos.parent
    crops = {
        folder / target: root / outcome.photo for outcome in coverage.outcomes for target in targets(outcome, alignment)
    }
    return folder, crops


def _say_size(photos: list[Path], size: int) -> None:
    from finetune.images import header_sizes, size_notes

    for note in size_notes(header_sizes(photos), size):
        say_aside(f"{note}; --align finds them")


def _say_poor(photos: list[Path], sources: Mapping[Path, Path]) -> None:
    """Print the new photos whose face is poor, the worst first."""
    from finetune.align import recorded_faces
    from finetune.images import hash_image
    from finetune.quality import measure_quality

    folders = {folder for photo in photos for folder in (photo.parent, photo.parent.parent)}
    faces = {crop: face for folder in folders for crop, face in recorded_faces(folder).items()}
    qualities = measure_quality([hash_image(photo) for photo in photos], faces)
    poor = [(photo, quality) for photo, quality in qualities.items() if quality.defects()]
    poor.sort(key=lambda found: found[1].score)
    for photo, quality in poor[:MOST_LINES]:
        said = "; ".join(f"{kind}: {reason}" for kind, (reason, _) in quality.defects().items())
        say_aside(f"poor photo: {in_one_line(sources.get(photo, photo))}: {said}")
    if len(poor) > MOST_LINES:
        say_aside(f"poor photo: {counted(len(poor) - MOST_LINES, 'photo')} more")


def _say_same(
    found: Sequence[tuple[Path, str, str]], sources: Mapping[Path, Path], said: str, under_other_name: str
) -> None:
    """Print photos that are enrolled, one by one if under another name, which suggests a mistake."""
    under_other = [(photo, name) for photo, name, asked in found if normal(asked) != name]
    for photo, name in under_other[:MOST_LINES]:
        say_aside(f"{under_other_name.format(name)}: {in_one_line(sources.get(photo, photo).name)}")
    rest = len(found) - min(len(under_other), MOST_LINES)
    if rest:
        say_aside(f"{said}: {counted(rest, 'photo')}")
