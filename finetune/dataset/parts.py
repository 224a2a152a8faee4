"""The split of a folder of people into several parts, by images or by identities, as links."""

from __future__ import annotations

import bisect
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from finetune import files
from finetune.brief import Brief
from finetune.dataset.scanning import Quarantined, layout
from finetune.dataset.splitting import generator_of
from finetune.errors import DataError, Problem, attempt
from finetune.images import SUFFIXES
from finetune.names import first_spellings
from finetune.paths import refuse_within
from finetune.progress import track
from finetune.words import counted

By = Literal["images", "identities"]
Shares = Mapping[str, Fraction]
NAME = re.compile(r"[A-Za-z0-9_-]+")
SHARE = re.compile(r"[0-9]*\.[0-9]{1,18}|[0-9]{1,9}(/[0-9]{1,9})?")


@dataclass(frozen=True, repr=False)
class Part(Brief):
    """One part of a dataset: the images of each identity in it."""

    name: str
    images: dict[str, list[Path]]

    @property
    def identities(self) -> int:
        """The number of identities."""
        return len(self.images)

    @property
    def photos(self) -> int:
        """The number of images."""
        return sum(map(len, self.images.values()))


@dataclass(frozen=True, repr=False)
class Parted(Brief):
    """The result of a split.

    Attributes:
        parts: parts in the given order.
        left_out: files and folders in no part, with reasons.
        too_few: identities with fewer images than required.
    """

    parts: tuple[Part, ...]
    left_out: tuple[Quarantined, ...]
    too_few: tuple[str, ...]


def read_shares(texts: Sequence[str]) -> dict[str, Fraction]:
    """Parse shares such as `train=0.8 test=0.2` or `a=1/3`.

    Raises:
        DataError: a share is malformed (one line each), or the shares do not sum to 1.
    """
    shares: dict[str, Fraction] = {}
    problems: list[Problem] = []
    for text in texts:
        where = f"--parts: {text!r}"
        name, equals, value = text.partition("=")
        try:
            share = Fraction(value if SHARE.fullmatch(value) else "0")
        except ZeroDivisionError:
            share = Fraction(0)
        if not equals or not NAME.fullmatch(name):
            problems.append(Problem(where, "not NAME=SHARE", "name a part with letters, digits, _ and -"))
        elif not 0 < share <= 1:
            problems.append(
                Problem(where, f"found the share {value!r}", "give one above 0, up to 1, such as 0.8 or 4/5")
            )
        elif name.casefold() in map(str.casefold, shares):
            problems.append(Problem(where, "a second part of that name", "give it another"))
        else:
            shares[name] = share
    total = sum(shares.values())
    if not problems and total != 1:
        problems.append(Problem("--parts", f"the shares sum to {float(total):.12g}", "let them sum to 1"))
    if problems:
        raise DataError(*problems)
    return shares


def part_folder(root: Path, out: Path, shares: Shares, *, by: By, seed: int, min_images: int = 1) -> Parted:
    """Link each image of a folder of people into one part: `out/PART/NAME/file`.

    No image is decoded. Files without an image suffix are left out.

    Args:
        root: folder with one folder per person, which stays as it is.
        out: folder that does not exist yet, or is empty; not within `root`.
        shares: share of each part; they sum to 1.
        by: `images` or `identities`; see `by_images` and `by_identities`.
        seed: seed of the draw, 0 or more.
        min_images: identities with fewer images are in no part.

    Raises:
        DataError: `root` does not exist, `out` is in use, or a part would be empty.
        RunError: `out` can't be written.
    """
    problems: list[Problem] = []
    attempt(problems, lambda: files.refuse_used(out))
    attempt(problems, lambda: refuse_within(out, root))
    found = attempt(problems, lambda: layout(root))
    if found is None or problems:
        raise DataError(*problems)
    left_out = list(found.misplaced)
    images: dict[str, list[Path]] = {name: [] for name in found.files}
    for name, path in ((name, path) for name, paths in found.files.items() for path in paths):
        if path.suffix.lower() in SUFFIXES:
            images[name].append(path)
        else:
            left_out.append(Quarantined(path, "not named as an image"))
    kept = {name: paths for name, paths in images.items() if len(paths) >= max(1, min_images)}
    if not kept:
        nobody = f"nobody in it with {min_images} images or more" if min_images > 1 else "no image in a person's folder"
        raise DataError(Problem(root, nobody, "give one folder of images per person"))
    parts = (by_images if by == "images" else by_identities)(kept, shares, seed)
    empty = [part.name for part in parts if not part.images]
    if empty:
        n = (
            f"{counted(len(kept), 'identity')}"
            if by == "identities"
            else f"{counted(sum(map(len, kept.values())), 'image')}"
        )
        what = "give it a larger share" + (", or try another --seed" if by == "identities" else "")
        raise DataError(*(Problem(root, f"of {n} none falls to {name!r}", what) for name in empty))
    files.write_folder(out, lambda folder: _link(parts, folder))
    return Parted(parts, tuple(left_out), tuple(name for name in images if name not in kept))


def by_images(images: Mapping[str, Sequence[Path]], shares: Shares, seed: int) -> tuple[Part, ...]:
    """Split the images of each identity, as the published `SPLIT_IMAGES` does into two parts.

    A part with share s gets floor(n s) of a person's n images, or one more. The remaining images go to the parts with
    the largest fractions of n s; of equal fractions, the first part wins. The images are drawn by (seed, person's
    name): adding, changing or removing a person changes nobody else's split.
    """
    parts = tuple(Part(name, {}) for name in shares)
    for person, paths in images.items():
        drawn = generator_of(seed, person).permutation(len(paths))
        ends = list(itertools.accumulate(_whole(len(paths), list(shares.values()))))
        for part, start, end in zip(parts, [0, *ends], ends, strict=False):
            if end > start:
                part.images[person] = [paths[i] for i in sorted(drawn[start:end])]
    return parts


def by_identities(images: Mapping[str, Sequence[Path]], shares: Shares, seed: int) -> tuple[Part, ...]:
    """Split the identities, as the published `SPLIT_CLASSES` does into two: all images of one are in the same part.

    Each identity is drawn by (seed, name) alone. Adding, changing or removing one therefore changes nobody else's part,
    and nobody moves from training to testing later. All spellings of a name are in the part of the first spelling.

    The shares are met on average: of n identities, a part with share s gets n s, give or take some sqrt(n s (1 - s)).
    """
    parts = tuple(Part(name, {}) for name in shares)
    bounds = [float(bound) for bound in itertools.accumulate(shares.values())]
    first = first_spellings(images)
    for person, paths in images.items():
        place = bisect.bisect_right(bounds[:-1], generator_of(seed, first[person]).random())
        parts[place].images[person] = list(paths)
    return parts


def _whole(n: int, shares: Sequence[Fraction]) -> list[int]:
    """Split `n` into whole numbers by the largest-remainder method."""
    counts = [int(n * share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - n * shares[i])
    for i in by_remainder[: n - sum(counts)]:
        counts[i] += 1
    return counts


def _link(parts: Sequence[Part], folder: Path) -> None:
    people = [(part, person) for part in parts for person in part.images]
    for part, person in track(people, len(people), "linking people"):
        place = folder / part.name / person
        place.mkdir(parents=True)
        for path in part.images[person]:
            (place / path.name).symlink_to(os.path.realpath(path))
