"""Random pairs from any folder of people, in LFW's format, with folds that share no identity."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.brief import Brief
from finetune.dataset import Quarantined, layout
from finetune.errors import DataError, Problem, attempt
from finetune.images import SUFFIXES
from finetune.names import spelled_alike
from finetune.verification.formats import text_of
from finetune.verification.pairs import DEFAULT_FOLDS, Pair, image_name, numbered
from finetune.words import counted

Counts = npt.NDArray[np.int64]
Images = Mapping[str, Sequence[int | str]]
"""Images of each person: numbers if they are named like LFW's, else names of files."""
PAIRS_PER_FOLD = 300
"""Number of pairs of each kind in a fold of LFW's pairs.txt."""


@dataclass(frozen=True, repr=False)
class Drawn(Brief):
    """Summary of drawn pairs.

    Attributes:
        people: number of identities with an image.
        images: number of their images.
        files: number of images that are not named like LFW's, so the pairs name their files.
        folds: number of folds.
        pairs_per_fold: number of pairs of each kind per fold.
        left_out: files and folders that were not used, with reasons.
    """

    people: int
    images: int
    files: int
    folds: int
    pairs_per_fold: int
    left_out: tuple[Quarantined, ...]


def write_pairs(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    folds: int | None = None,
    pairs_per_fold: int | None = None,
    seed: int,
) -> Drawn:
    """Draw pairs from a folder of people and write them in the format of LFW's `pairs.txt`.

    The header is `folds<TAB>pairs_per_fold`. Then each fold has that many pairs of one person (`name<TAB>1<TAB>4`), and
    as many of two people (`name<TAB>1<TAB>name<TAB>4`). An image that is not named `NAME/NAME_0001.jpg`, `.jpeg` or
    `.png` is written as the name of its file. See `draw_pairs`.

    Args:
        root: folder with one folder of images per person. No image is opened.
        folds: number of folds. Default: 10 as in LFW, or fewer if there are too few people.
        pairs_per_fold: number of pairs of each kind. Default: 300 as in LFW, or fewer if there are too few images.

    Raises:
        DataError: `path` exists, there is no such folder or no image, or the images do not allow that many pairs.
        RunError: the file can't be written.
    """
    path, root = Path(os.path.expanduser(path)), Path(os.path.expanduser(root))
    there = Problem(path, "already there", "give another name, or remove it")
    problems = [there] if os.path.lexists(path) else []
    found = attempt(problems, lambda: _images(root))
    if found is None or problems:
        raise DataError(*problems)
    images, left_out = found
    able = sum(len(numbers) > 1 for numbers in images.values())
    folds = folds or max(2, min(DEFAULT_FOLDS, able, len(images) // 2))
    fewer = pairs_per_fold is None
    try:
        drawn = draw_pairs(images, folds=folds, pairs_per_fold=pairs_per_fold or PAIRS_PER_FOLD, seed=seed, fewer=fewer)
    except DataError as error:
        raise DataError(*error.within(root, _example(left_out))) from None
    pairs_per_fold = len(drawn[0]) // 2
    files.write_text(path, text_of(drawn))
    every = [image for person in images.values() for image in person]
    named = sum(isinstance(image, str) for image in every)
    return Drawn(len(images), len(every), named, folds, pairs_per_fold, tuple(left_out))


def draw_pairs(images: Images, *, folds: int, pairs_per_fold: int, seed: int, fewer: bool = False) -> list[list[Pair]]:
    """Draw pairs as in LFW's view 2 (Huang et al. 2007): no identity is in two folds, and no pair is drawn twice.

    Identities with equally many images are dealt out at random. The numbers of identities per fold differ by at most
    one, and the numbers of possible pairs of one person are similar. Within a fold, the pairs are spread as evenly as
    possible over its people, and over its pairs of people. The images of each pair are drawn at random. The possible
    pairs are never all listed. Time and memory grow with the identities and with the drawn pairs.

    Args:
        images: numbers of each person's images, or names of their files.
        folds: number of folds, from 2.
        pairs_per_fold: number of pairs of each kind, from 1.
        seed: seed of the draws, from 0.
        fewer: True to draw fewer pairs if there are not that many, the same number in each fold.

    Returns:
        Pairs of each fold, those of one person first.

    Raises:
        DataError: there are not that many pairs; the message says how many there are.
    """
    names = list(images)
    counts = np.array([len(images[name]) for name in names], np.int64)
    return [
        [
            Pair(image_name(names[p], images[names[p]][i]), image_name(names[q], images[names[q]][j]), bool(p == q))
            for p, i, q, j in fold
        ]
        for fold in draw_places(counts, folds=folds, pairs_per_fold=pairs_per_fold, seed=seed, fewer=fewer)
    ]


def draw_places(
    counts: Counts, *, folds: int, pairs_per_fold: int, seed: int, fewer: bool = False
) -> list[list[tuple[int, int, int, int]]]:
    """Draw the pairs of `draw_pairs` as numbers: person and image, twice.

    Args:
        counts: number of images per person, int64 [people].
        folds: number of folds, from 1.
        pairs_per_fold, seed: arguments of `draw_pairs`.
        fewer: True to draw fewer pairs if there are not that many, the same number in each fold.

    Raises:
        DataError: there are not that many pairs, or none; the message says how many there are.
    """
    generator = np.random.default_rng(seed)
    able = int((counts > 1).sum())
    people = f"{counted(len(counts), 'person')}, {able} with two images or more"
    most = min(able, len(counts) // 2)
    if folds > most:
        what = f"ask for {most} folds or fewer" if most > 1 else "add people or images"
        needed = f"each of {folds} folds needs two people of its own, one of them with two images"
        raise DataError(Problem("", f"{people}; {needed}", what))
    dealt = _deal(counts, folds, generator)
    same = min(int(_two_of(counts[fold]).sum()) for fold in dealt)
    different = min(int(_two_of(counts[fold].sum()) - _two_of(counts[fold]).sum()) for fold in dealt)
    if fewer:
        pairs_per_fold = min(same, different, pairs_per_fold)
    elif min(same, different) < pairs_per_fold:
        possible = f"each of {folds} folds can have {same} pairs of one person and {different} of two"
        advice = f"ask for {min(same, different)} pairs or fewer, or for fewer folds"
        raise DataError(Problem("", f"{people}; {possible}", advice))
    return [
        [*_of_one(fold, counts, pairs_per_fold, generator), *_of_two(fold, counts, pairs_per_fold, generator)]
        for fold in dealt
    ]


def _deal(counts: Counts, folds: int, generator: np.random.Generator) -> list[Counts]:
    """Return the identities of each fold, as indices into `counts`.

    Identities with the most images come first, one for each fold in turn. In each turn, folds with the fewest pairs
    come first.
    """
    shuffled = generator.permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled], kind="stable")]
    dealt: list[list[int]] = [[] for _ in range(folds)]
    pairs = np.zeros(folds, np.int64)
    for start in range(0, len(order), folds):
        for fold, identity in zip(np.argsort(pairs, kind="stable"), order[start : start + folds], strict=False):
            dealt[fold].append(identity)
            pairs[fold] += _two_of(counts[identity])
    return [np.array(fold, np.int64) for fold in dealt]


def _of_one(fold: Counts, counts: Counts, n: int, generator: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Draw `n` pairs of one person: person and image, twice."""
    room = _two_of(counts[fold])
    drawn = []
    for person, taken, most in zip(fold, _spread(room, n, generator), room, strict=True):
        for pair in generator.choice(most, taken, replace=False) if taken else ():
            first, second = _unrank(int(pair))
            drawn.append((person, first, person, second))
    return drawn


def _of_two(fold: Counts, counts: Counts, n: int, generator: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Draw `n` pairs of two people: person and image, twice."""
    couples = int(_two_of(len(fold)))
    # With more couples than pairs, each couple gives at most one pair, and the couples need not be listed.
    chosen = generator.choice(couples, n, replace=False) if couples > n else np.arange(couples)
    people = [(fold[i], fold[j]) for i, j in map(_unrank, map(int, chosen))]
    room = np.array([counts[p] * counts[q] for p, q in people], np.int64)
    drawn = []
    for (p, q), taken, most in zip(people, _spread(room, n, generator), room, strict=True):
        for pair in generator.choice(most, taken, replace=False) if taken else ():
            first, second = divmod(int(pair), int(counts[q]))
            drawn.append((p, first, q, second))
    return drawn


def _spread(room: Counts, n: int, generator: np.random.Generator) -> Counts:
    """Return each one's share of `n`, at most its room, as evenly as possible; the remainder is drawn at random."""
    low, high = 0, n
    while low < high:  # finds the highest level to which all can be filled
        level = (low + high + 1) // 2
        low, high = (level, high) if np.minimum(room, level).sum() <= n else (low, level - 1)
    given = np.minimum(room, low)
    more = np.flatnonzero(room > low)
    given[generator.permutation(more)[: n - int(given.sum())]] += 1
    return given


def _two_of(n: npt.ArrayLike) -> Counts:
    """Return the number of pairs among `n` items."""
    n = np.asarray(n, np.int64)
    return n * (n - 1) // 2


def _unrank(pair: int) -> tuple[int, int]:
    """Return the pair with a number: 0 is (0, 1), 1 is (0, 2), 2 is (1, 2), 3 is (0, 3), and so on."""
    second = (1 + math.isqrt(1 + 8 * pair)) // 2
    return pair - second * (second - 1) // 2, second


def _images(root: Path) -> tuple[dict[str, list[int | str]], list[Quarantined]]:
    """Return the images of each person, by number or by file, and the files and folders that can't be used."""
    found = layout(root)
    left_out = list(found.misplaced)
    again = {name: first for first, name in spelled_alike(found.files)}
    images: dict[str, list[int | str]] = {}
    for name, paths in found.files.items():
        stems: set[str] = set()  # one image in two formats counts once
        for path in paths:
            if path.suffix.lower() not in SUFFIXES:
                left_out.append(Quarantined(path, f"not named as an image ({', '.join(SUFFIXES)})"))
            elif name != name.strip() or path.name != path.name.strip():
                left_out.append(Quarantined(path, "a name that begins or ends with a space, which no pairs file holds"))
            elif name in again:
                reason = f"of {again[name]!a} by name, so that nobody can say if they are two people; rename one"
                left_out.append(Quarantined(path, reason))
            elif path.stem not in stems:
                stems.add(path.stem)
                number = numbered(path)
                images.setdefault(name, []).append(path.name if number is None else number)
    if not images:
        nobody = Problem(root, "no image in a person's folder", "give one folder of images per person")
        raise DataError(nobody.within(advice=_example(left_out)))
    return {name: sorted(found, key=_order) for name, found in images.items()}, left_out


def _order(image: int | str) -> tuple[int, str]:
    return (image, "") if isinstance(image, int) else (10**9, image)


def _example(left_out: Sequence[Quarantined]) -> str:
    """Return a hint at the first file that was left out; empty if there is none."""
    return f"the first of {len(left_out)} left out is {left_out[0]}" if left_out else ""
