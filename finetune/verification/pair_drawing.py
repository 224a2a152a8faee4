"""Pairs from any folder of people: random ones, with folds that share no identity, or all there are."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.dataset import Quarantined
from finetune.errors import DataError, Problem, attempt
from finetune.verification.formats import To, form_of, is_table, write
from finetune.verification.image_folder import ImageFolder, Images, example, list_images
from finetune.verification.pairs import DEFAULT_FOLDS, Pair, image_name
from finetune.words import counted

Counts = npt.NDArray[np.int64]
PAIRS_PER_FOLD = 300
"""Number of pairs of each kind in a fold of LFW's pairs.txt."""
MOST_PAIRS = 1_000_000
"""Largest number of pairs that are all written."""


@dataclass(frozen=True, repr=False)
class Drawn(Brief):
    """Summary of drawn pairs.

    Attributes:
        people: number of identities with an image.
        images: number of their images.
        files: number of images that are not named like LFW's, so the pairs name their files.
        folds: number of folds; 1 if there are too few people for two.
        pairs_per_fold: number of pairs of each kind per fold; 0 if all pairs were written.
        left_out: files and folders that were not used, with reasons.
        same: number of pairs of one person.
        different: number of pairs of two people.
        in_lfw_form: True if the file has LFW's form.
    """

    people: int
    images: int
    files: int
    folds: int
    pairs_per_fold: int
    left_out: tuple[Quarantined, ...]
    same: int
    different: int
    in_lfw_form: bool


def write_pairs(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    folds: int | None = None,
    pairs_per_fold: int | None = None,
    seed: int,
    to: To | None = None,
) -> Drawn:
    """Draw pairs from a folder of people and write them.

    In the format of LFW's `pairs.txt`, the header is `folds<TAB>pairs_per_fold`. Then each fold has that many pairs of
    one person (`name<TAB>1<TAB>4`), and as many of two people (`name<TAB>1<TAB>name<TAB>4`). An image that is not named
    `NAME/NAME_0001.jpg`, `.jpeg` or `.png` is written as the name of its file. See `draw_pairs`. With a single fold,
    the text is a table instead, as for `csv`.

    Args:
        root: folder with one folder of images per person. No image is opened, except for `bin`.
        folds: number of folds. Default: 10 as in LFW, or fewer if there are too few people; for fewer than four people,
            one.
        pairs_per_fold: number of pairs of each kind. Default: 300 as in LFW, or fewer if there are too few images.
        to: `text` for LFW's format, `csv` for a table with paths and folds, `bin` for InsightFace's file, which holds
            the images. Default: by the suffix of `path`.

    Raises:
        DataError: `path` exists, there is no such folder or no image, or the images do not allow that many pairs.
        RunError: the file can't be written.
    """
    path, found = _opened(path, root)
    able = sum(len(numbers) > 1 for numbers in found.images.values())
    folds = folds or max(1, min(DEFAULT_FOLDS, able, len(found.images) // 2))
    fewer, most = pairs_per_fold is None, pairs_per_fold or PAIRS_PER_FOLD
    try:
        drawn = draw_pairs(found.images, folds=folds, pairs_per_fold=most, seed=seed, fewer=fewer)
    except DataError as error:
        raise DataError(*error.within(_root(root), example(found.left_out))) from None
    return _written(path, root, drawn, found, to)


def count_pairs(root: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the number of all pairs of one person, and of two people, in a folder.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    return _counted(list_images(_root(root)))


def write_all_pairs(path: str | os.PathLike[str], root: str | os.PathLike[str], *, to: To | None = None) -> Drawn:
    """Write all pairs of a folder of people, those of one person first. They have no folds.

    Args:
        root, to: arguments of `write_pairs`.

    Raises:
        DataError: `path` exists, there is no such folder, a kind of pair is missing, or there are more pairs than
            `MOST_PAIRS`; the message says how many.
        RunError: the file can't be written.
    """
    path, found = _opened(path, root)
    same, different = _counted(found)
    if not (same and different):
        what = f"{counted(same, 'pair')} of one person and {different} of two"
        advice = "; ".join(filter(None, ("both are needed: add people or images", example(found.left_out))))
        raise DataError(Problem(_root(root), what, advice))
    if same + different > MOST_PAIRS:
        what = f"{same:,} pairs of one person and {different:,} of two are more than {MOST_PAIRS:,}"
        raise DataError(Problem(_root(root), what, "draw some of them: leave out --all"))
    named = [image_name(person, image) for person, images in found.images.items() for image in images]
    pairs = [
        Pair(first, second, first.rpartition("/")[0] == second.rpartition("/")[0])
        for first, second in itertools.combinations(named, 2)
    ]
    pairs.sort(key=lambda pair: not pair.is_same)  # stable: the order of the people is kept
    return dataclasses.replace(_written(path, root, [pairs], found, to), pairs_per_fold=0)


def _counted(found: ImageFolder) -> tuple[int, int]:
    counts = np.array([len(images) for images in found.images.values()], np.int64)
    same = int(_two_of(counts).sum())
    return same, int(_two_of(counts.sum())) - same


def _root(root: str | os.PathLike[str]) -> Path:
    return Path(os.path.expanduser(root))


def _opened(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[Path, ImageFolder]:
    """Return the path to write and the images, with all problems of both at once."""
    path = Path(os.path.expanduser(path))
    there = Problem(path, "already there", "give another name, or remove it")
    problems = [there] if os.path.lexists(path) else []
    found = attempt(problems, lambda: list_images(_root(root)))
    if found is None or problems:
        raise DataError(*problems)
    return path, found


def _written(
    path: Path, root: str | os.PathLike[str], drawn: list[list[Pair]], found: ImageFolder, to: To | None
) -> Drawn:
    form = to or form_of(path)
    write(path, drawn, form, _root(root), found.files)
    every = [image for person in found.images.values() for image in person]
    same = sum(pair.is_same for fold in drawn for pair in fold)
    return Drawn(
        people=len(found.images),
        images=len(every),
        files=sum(isinstance(image, str) for image in every),
        folds=len(drawn),
        pairs_per_fold=len(drawn[0]) // 2,
        left_out=tuple(found.left_out),
        same=same,
        different=sum(map(len, drawn)) - same,
        in_lfw_form=form == "text" and not is_table(form, drawn),
    )


def draw_pairs(images: Images, *, folds: int, pairs_per_fold: int, seed: int, fewer: bool = False) -> list[list[Pair]]:
    """Draw pairs as in LFW's view 2 (Huang et al. 2007): no identity is in two folds, and no pair is drawn twice.

    Identities with equally many images are dealt out at random. The numbers of identities per fold differ by at most
    one, and the numbers of possible pairs of one person are similar. Within a fold, the pairs are spread as evenly as
    possible over its people, and over its pairs of people. The images of each pair are drawn at random. The possible
    pairs are never all listed. Time and memory grow with the identities and with the drawn pairs.

    Args:
        images: numbers of each person's images, or names of their files.
        folds: number of folds, from 1.
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
    if folds > most == 0 and folds == 1:
        raise DataError(Problem("", people, "pairs need two people, one of them with two images"))
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
