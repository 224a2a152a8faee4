"""Opening of the pairs in a recipe's `lfw` section or in a set of `measure`, with checks of their images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from finetune.errors import DataError, Problem
from finetune.images import Records, size_notes, sizes_of
from finetune.recipe import LFW, MeasuredSet
from finetune.verification.formats import read_pairs
from finetune.verification.pairs import ImagePairs, resolve
from finetune.verification.protocols import K_FOLD, VerificationProtocol


def open_pairs(lfw: LFW | MeasuredSet, protocol: VerificationProtocol = K_FOLD) -> ImagePairs:
    """Return all pairs of a recipe's `lfw` section or set, or of the options of `validate`.

    Raises:
        DataError: the pairs file or the folder can't be used, or the protocol can't judge these pairs, for example
            because they are too few for the folds.
    """
    pairs = resolve(read_pairs(lfw.pairs), lfw.dir, lfw.missing)
    refuse_unfit(pairs, lfw, protocol)
    return pairs


def refuse_unfit(pairs: ImagePairs, lfw: LFW | MeasuredSet, protocol: VerificationProtocol) -> None:
    """Raise a DataError if the protocol can't judge the pairs, for example because they are too few for the folds."""
    problems = [*protocol.needs(pairs, lfw.pairs, distance=lfw.distance, subtract_mean=lfw.subtract_mean)]
    if problems:
        raise DataError(*problems)


def usable(pairs: ImagePairs, lfw: LFW | MeasuredSet, crop: int, records: Records) -> ImagePairs:
    """Refuse images that can't be used, before any long computation.

    Args:
        crop: side in pixels. Smaller images can't be used.
        records: records of the pairs' images.

    Returns:
        The pairs, with a note if their images look unaligned.

    Raises:
        DataError: some images can't be used. One line per image, or a single line if none can be used.
    """
    bad = [Problem(path, reason) for path in pairs.paths if (reason := records[path].unusable(crop))]
    if bad and pairs.unpacked:
        raise DataError(_unusable_set(pairs, lfw, crop, records, bad))
    if len(bad) == len(pairs.paths):
        raise DataError(
            Problem(
                lfw.dir,
                "no usable image for the pairs",
                f"give faces aligned to {crop} pixels; the first of {len(bad)} not used is {bad[0]}",
            )
        )
    if bad:
        raise DataError(*(problem.within(advice="replace it, or remove it and set missing: skip") for problem in bad))
    # Reports use the notes, and may have to leave names out.
    unaligned = tuple(size_notes(sizes_of(records, pairs.paths), crop, where=lfw.dir))
    return dataclasses.replace(pairs, unaligned=unaligned, notes=(*pairs.notes, *unaligned))


def _unusable_set(
    pairs: ImagePairs, lfw: LFW | MeasuredSet, crop: int, records: Records, bad: list[Problem]
) -> Problem:
    """Return the problem of images that came with the pairs, which nobody can align or replace one by one."""
    small = [size for path in pairs.paths if (size := records[path].size) and min(size) < crop]
    if len(small) < len(bad):
        first = next(problem.found for problem in bad if not records[Path(problem.where)].size)
        found = f"{len(bad) - len(small)} of {len(pairs.paths)} images can't be read, the first one because: {first}"
        return Problem(lfw.pairs, found, "get the file again")
    least = min(map(min, small))
    found = f"{len(small)} of {len(pairs.paths)} images are smaller than {crop} pixels, down to {least}"
    return Problem(
        lfw.pairs,
        found,
        f"such sets are aligned for networks of that size, and are not enlarged: --image-size {least} measures them as "
        f"they are, if the network takes that size; for its figures at {crop}, align the original photos",
    )
