"""A folder with one folder per person: who is in it, and which of its files are images that can be used."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.dataset.images import ImageError, central_crop, read_image
from finetune.errors import DataError
from finetune.progress import track

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
"""What Windows leaves in folders; files whose name begins with a dot are passed over too."""

UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control characters, undecodable bytes, line and paragraph separators: in a name they would
break class_names.txt, and the line that reports them."""
CHUNK = 64


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and whose they are.

    Attributes:
        root: the folder that was scanned.
        class_names: the people, sorted; a label is an index into them.
        paths: one an image, sorted within each person.
        labels: int64 [n], one a path.
    """

    root: Path
    class_names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: npt.NDArray[np.int64]) -> Dataset:
        """The images at these indices, with the same class names."""
        return Dataset(self.root, self.class_names, tuple(self.paths[i] for i in indices), self.labels[indices])


@dataclass(frozen=True)
class Quarantined:
    """A file or folder that is kept out of training, and why; as a string, one line that can be printed."""

    path: Path
    reason: str

    def __str__(self) -> str:
        name = "".join(ascii(c)[1:-1] if unicodedata.category(c) in UNPRINTABLE else c for c in str(self.path))
        return f"{name}: {self.reason}"


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Attributes:
        dataset: the images that can be used.
        quarantined: what was found beside them, with reasons.
        left_out: people with too few images.
    """

    dataset: Dataset
    quarantined: tuple[Quarantined, ...]
    left_out: tuple[str, ...]


def scan(root: str | os.PathLike[str], *, min_images_per_person: int = 1, crop: int | None = None) -> Scan:
    """Reads a folder that holds one folder of images per person.

    Every file is decoded once, so that nothing unreadable reaches training. Symbolic links are
    followed. Files that begin with a dot, `Thumbs.db` and `desktop.ini` are passed over.

    Args:
        min_images_per_person: people with fewer usable images are left out.
        crop: side in pixels; smaller images are quarantined.

    Raises:
        DataError: the folder is missing, holds no folders of images, or fewer than two people remain.
    """
    root = Path(os.path.expanduser(root))
    people, quarantined = _people(root)
    files: list[tuple[str, Path]] = []
    for person in people:
        try:
            entries = _entries(person)
        except OSError as error:
            quarantined.append(Quarantined(person, f"can't be opened ({error.strerror})"))
            continue
        for entry in entries:
            if os.path.isdir(entry):
                quarantined.append(Quarantined(entry, "a folder inside a person's folder; move its images up"))
            elif not _printable(entry.name):
                quarantined.append(Quarantined(entry, "a name that can't be printed; rename the file"))
            else:
                files.append((person.name, entry))

    images: dict[str, list[Path]] = {person.name: [] for person in people}
    for (name, path), reason in zip(files, check_images([path for _, path in files], crop), strict=True):
        if reason is None:
            images[name].append(path)
        else:
            quarantined.append(Quarantined(path, reason))

    kept = {name: paths for name, paths in images.items() if len(paths) >= max(1, min_images_per_person)}
    if len(kept) < 2:
        example = f"; the first of {len(quarantined)} not used is {quarantined[0]}" if quarantined else ""
        raise DataError(f"{root}: {_too_few(images, list(kept), min_images_per_person)}{example}")
    labels = np.repeat(np.arange(len(kept), dtype=np.int64), [len(paths) for paths in kept.values()])
    dataset = Dataset(root, tuple(kept), tuple(path for paths in kept.values() for path in paths), labels)
    return Scan(dataset, tuple(quarantined), tuple(name for name in images if name not in kept))


def check_images(paths: Sequence[Path], crop: int | None = None) -> list[str | None]:
    """Decodes each file: the reason why it can't be used, or None, for each of `paths`."""

    def check(path: Path) -> str | None:
        try:
            if os.path.exists(path) and not os.path.isfile(path):  # a named pipe would be waited for
                raise ImageError("not a file")
            pixels = read_image(path)
            if crop is not None:
                central_crop(pixels, crop)
        except ImageError as error:
            return str(error)
        return None

    def check_chunk(start: int) -> list[str | None]:
        return [check(path) for path in paths[start : start + CHUNK]]

    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: what matters of them is in the reason
        chunks = pool.map(check_chunk, range(0, len(paths), CHUNK))
        return [reason for chunk in track(chunks, len(paths), "reading images", CHUNK) for reason in chunk]


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """The files in a folder and the folders below it, sorted; or the one file that is given.

    Nothing is decoded. Symbolic links are followed, each folder once; what `scan` passes over is
    passed over here too.

    Raises:
        DataError: there is nothing at `path`, or no file in it.
    """
    path = Path(os.path.expanduser(path))
    if os.path.isfile(path):
        return [path]
    found = sorted(_walk(path, set()))
    if not found:
        raise DataError(f"{path}: no files in it; give an image or a folder of images")
    return found


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    entries = _open(folder, "an image or a folder of images")
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:  # a link to a folder above would never end
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if os.path.isdir(entry):
            yield from _walk(entry, seen)
        else:
            yield entry


def _entries(folder: Path) -> list[Path]:
    names = sorted(name for name in os.listdir(folder) if name[0] != "." and name.lower() not in SYSTEM_FILES)
    return [folder / name for name in names]


def _open(folder: Path, what: str) -> list[Path]:
    """The folder's entries, or an error that says to give `what`."""
    try:
        return _entries(folder)
    except FileNotFoundError:
        raise DataError(f"{folder}: no such file or folder; give {what}") from None
    except NotADirectoryError:
        raise DataError(f"{folder}: not a folder; give {what}") from None
    except OSError as error:
        raise DataError(f"{folder}: can't be opened ({error.strerror}); give {what}") from error


def _printable(name: str) -> bool:
    return UNPRINTABLE.isdisjoint(map(unicodedata.category, name))


def _people(root: Path) -> tuple[list[Path], list[Quarantined]]:
    """The people's folders, and what else lies beside them."""
    people, others = [], []
    for entry in _open(root, "the folder that holds one folder of images per person"):
        if not os.path.isdir(entry):
            others.append(Quarantined(entry, "not in a person's folder"))
        elif not _printable(entry.name):
            others.append(Quarantined(entry, "a name that can't be printed; rename the folder"))
        else:
            people.append(entry)
    return people, others


def _too_few(images: dict[str, list[Path]], kept: list[str], minimum: int) -> str:
    """What to say where a classifier has nobody, or nobody to tell apart."""
    with_images = sum(map(bool, images.values()))
    if not images:
        return "no folders in it; put each person's images into a folder of their own"
    if not with_images:
        return "no usable image in any of its folders; give one that holds one folder of images per person"
    if len(kept) < with_images:
        return (
            f"{len(kept)} of {with_images} people with {minimum} images or more, and a classifier needs two; "
            "lower min_images_per_person or add images"
        )
    return f"images of one person ({kept[0]}), and a classifier needs two; add another person's folder"
