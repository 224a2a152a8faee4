"""Sets of pairs that a run measures beside LFW's, and the rules between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from finetune.errors import RecipeError
from finetune.schema import AnyPath, Fault, Range, Section, Wants, faults, read, wants
from finetune.words import listed

RESERVED = ("lfw", "strangers")
"""Names of the sets that have keys of their own."""
HOLDING_IMAGES = ".bin"
"""Suffix of a pairs file that holds the images themselves."""
SetName = Annotated[str, Field(pattern="^[a-z0-9_-]{1,64}$"), Wants("1 to 64 of the characters a-z, 0-9, '_' and '-'")]
OPTIONS = {"far": ("fixed_far",), "subtract_mean": ("k_fold",)}
"""Protocols that have an option, for the options that not every protocol has."""


class MeasuredSet(Section):
    """A set of pairs, the folder of its images, and the protocol that judges them."""

    name: SetName
    """Name that is unique in the recipe, made of small letters, digits, `_` and `-`. `lfw` and `strangers` have keys of
    their own."""
    pairs: AnyPath
    """Path of the pairs file."""
    images: AnyPath | None = None
    """Folder of aligned crops, `NAME/NAME_0001.png` or `.jpg`. It is required, unless a `.bin` file holds the
    images."""
    groups: AnyPath | None = None
    """CSV file of the groups of people in these pairs, in the form of `lfw.groups`."""
    protocol: Literal["k_fold", "fixed_far"] = "k_fold"
    """`k_fold`: FaceNet's, where the thresholds for each fold come from the other folds. `fixed_far`: validation rate
    at one false accept rate over all pairs."""
    far: Annotated[float, Range(gt=0, lt=1, of="a rate")] | None = None
    """False accept rate for `fixed_far`, above 0, below 1. Default: 0.001."""
    distance: Literal["euclidean", "cosine"] = "euclidean"
    """`euclidean` (squared), or `cosine` (the angle divided by π)."""
    subtract_mean: bool = False
    """Subtract the mean embedding of the other folds first, for `k_fold`."""
    flip: bool = False
    """Embed the mirrored image too, and concatenate the two embeddings."""
    missing: Literal["error", "skip"] = "error"
    """For a missing image, `error` ends the run and `skip` leaves out its pairs and counts them."""
    sample: Annotated[float, Range(gt=0, lt=1, of="a share of the pairs")] | None = None
    """Share of the pairs to measure, above 0, below 1. The same pairs are measured each time. Default: all."""

    @property
    def dir(self) -> Path:
        """The folder of the images, as the `lfw` section names it, or the file that holds them."""
        return self.images or self.pairs

    @property
    def options(self) -> dict[str, Any]:
        """The protocol's own options that are given."""
        return {} if self.far is None else {"far": self.far}

    def rules(self) -> Iterator[Fault]:
        """Yield the options that the protocol lacks, and missing images."""
        if self.images is None and self.pairs and self.pairs.suffix != HOLDING_IMAGES:
            yield Fault(("images",), "missing", "give a path")
        for key, protocols in OPTIONS.items():
            if self.protocol and getattr(self, key) and self.protocol not in protocols:
                told = f"{listed(protocols, 'and')} has it; drop it, or set protocol: {protocols[0]}"
                yield Fault((key,), f"not an option of {self.protocol}", told)


def _each(sets: object) -> tuple[Any, ...]:
    if not isinstance(sets, (list, tuple)) or not sets:
        raise ValueError
    return tuple(map(MeasuredSet.read, sets))


AnySets = Annotated[
    tuple[MeasuredSet, ...], BeforeValidator(_each), Field(min_length=1), Wants("a list of one set or more")
]
"""List of sets in a recipe, or in a file of its own."""


def load_sets(path: str | os.PathLike[str]) -> tuple[MeasuredSet, ...]:
    """Return the sets of a YAML file: a list of sets, or a mapping with the list under `measure`, such as a recipe.

    Raises:
        RecipeError: the file can't be used. Every problem is one line, with the file's line.
    """
    from finetune.recipe.reader import SETS, Document  # it imports YAML, which the sections do not need

    document = Document(path, SETS)
    given = {"measure": document.values} if isinstance(document.values, list) else document.values
    at = () if given is not document.values else ("measure",)
    if "measure" not in given:
        raise RecipeError(*document.problems([Fault((), "found no measure", f"give {wants(AnySets)}")]))
    sets: Any = read(given["measure"], AnySets)
    found = [*faults(sets, *at), *(fault._replace(keys=(*at, *fault.keys)) for fault in set_rules(sets or ()))]
    if problems := document.problems(found):
        raise RecipeError(*problems)
    return tuple(sets)


def set_rules(sets: Sequence[MeasuredSet]) -> Iterator[Fault]:
    """Yield the names that are reserved, or given twice. A set that could not be read is false."""
    first: dict[str, int] = {}
    for index, name in [(index, one.name) for index, one in enumerate(sets) if one and one.name]:
        if name in RESERVED:
            yield Fault((index, "name"), f"found {name!r}, which has a key of its own", "give the set another name")
        elif name in first:
            yield Fault((index, "name"), f"found {name!r}, as in [{first[name]}]", "give each set its own name")
        first.setdefault(name, index)
