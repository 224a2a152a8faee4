"""The download of Labeled Faces in the Wild by scikit-learn, laid out for alignment and validation."""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from finetune import files
from finetune.errors import DataError, Problem, RunError
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.verification import PairsFile, read_pairs, resolve

ARCHIVE = "lfw-funneled.tgz"
FILES = {
    ARCHIVE: "https://ndownloader.figshare.com/files/5976015",
    "pairs.txt": "https://ndownloader.figshare.com/files/5976006",
    "pairsDevTrain.txt": "https://ndownloader.figshare.com/files/5976012",
    "pairsDevTest.txt": "https://ndownloader.figshare.com/files/5976009",
}
"""Files of scikit-learn's fetcher, with their addresses. The fetcher uses files that are already there."""


@dataclass(frozen=True)
class FetchedLFW:
    """LFW in a folder.

    Attributes:
        images: folder of people, with 250 x 250 photos named `NAME/NAME_0001.jpg`.
        pairs: file with the pairs of view 2.
        n_people, n_images, n_pairs: numbers of people, images and pairs.
    """

    images: Path
    pairs: Path
    n_people: int
    n_images: int
    n_pairs: int


def fetch_lfw(folder: Path) -> FetchedLFW:
    """Fetch LFW (Huang et al. 2007, funneled) into `folder/images` and `folder/pairs.txt`, unless it is there.

    Any of `FILES` that are already in `folder` are not downloaded. The images are moved into place last, all at once.

    Raises:
        DataError: `folder/images` or `folder/pairs.txt` exists but is not LFW's.
        RunError: LFW can't be fetched; the error says what to do by hand.
    """
    images, pairs = folder / "images", folder / "pairs.txt"
    if not (images.is_dir() and any(images.iterdir())):
        files.refuse_used(images)
        _fetch(folder)
    else:
        say(f"{in_one_line(folder)}: fetched already")
    try:
        pairs_file = read_pairs(pairs)
        resolve(pairs_file, images)
    except DataError as error:
        raise DataError(*error.within(advice=f"or move {images} and {pairs} away, and fetch again")) from None
    return _count(images, pairs, pairs_file)


def _fetch(folder: Path) -> None:
    """Let scikit-learn download, check and unpack LFW beside `folder`, and move the result there."""
    place = Path(os.path.realpath(folder))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
            home = Path(temporary) / "lfw_home"
            home.mkdir()
            present = [name for name in FILES if (place / name).is_file()]
            for name in present:
                (home / name).symlink_to(place / name)
            doing = "unpacking" if len(present) == len(FILES) else "fetching LFW, some 240 MB"
            say(f"{in_one_line(folder)}: {doing}")
            _let_scikit_learn_fetch(folder, temporary, present)
            unpacked = home / "lfw_funneled"
            for path in unpacked.glob("*.txt"):  # the archive holds pairs files among the people
                path.unlink()
            place.mkdir(exist_ok=True)
            if "pairs.txt" not in present:
                os.replace(home / "pairs.txt", place / "pairs.txt")
            os.replace(unpacked, place / "images")
    except OSError as error:
        raise RunError(
            Problem(folder, f"can't be written ({error.strerror or error}); nothing was left there")
        ) from error


def _let_scikit_learn_fetch(folder: Path, home: str, present: list[str]) -> None:
    from sklearn.datasets import fetch_lfw_pairs

    corner = slice(0, 1)  # the fetcher reads the images of the smallest set of pairs: one pixel of each is enough
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each failed try warns; the error below gives the last one's reason
            fetch_lfw_pairs(subset="test", data_home=home, slice_=(corner, corner), resize=None)
    except Exception as error:  # the fetcher raises any error of downloading, unpacking and parsing
        reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        wanted = ", ".join(f"{name} ({url})" for name, url in FILES.items())
        raise RunError(
            Problem(
                folder,
                f"LFW can't be fetched ({reason.splitlines()[0]})",
                f"by hand: put {wanted} into {folder}{', in place of those that lie there,' if present else ''} "
                "and run this again",
            )
        ) from error


def _count(images: Path, pairs: Path, pairs_file: PairsFile) -> FetchedLFW:
    people = [path for path in images.iterdir() if path.is_dir()]
    n_images = sum(len(os.listdir(person)) for person in people)
    return FetchedLFW(images, pairs, len(people), n_images, len(pairs_file.pairs))
