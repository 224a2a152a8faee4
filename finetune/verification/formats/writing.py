"""Writing of pairs in the forms that finetune writes: LFW's pairs.txt, tables, and `.bin` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from finetune import files
from finetune.verification import Pair
from finetune.verification.formats import bin_set, lfw, table

To = Literal["text", "csv", "bin"]
WRITTEN: tuple[To, ...] = ("text", "csv", "bin")
"""Forms that can be asked for."""


def form_of(path: Path) -> To:
    """Return the form that a file's suffix asks for: `csv`, `bin`, or `text` for all others."""
    suffix = path.suffix.lower()
    return "csv" if suffix == ".csv" else "bin" if suffix == bin_set.SUFFIX else "text"


def is_table(to: To, folds: Sequence[Sequence[Pair]]) -> bool:
    """Return whether pairs are written as a table: as CSV, or because LFW's form has no single fold."""
    return to == "csv" or (to == "text" and len(folds) == 1)


def write(path: Path, folds: Sequence[Sequence[Pair]], to: To, root: Path, paths: Mapping[str, str]) -> None:
    """Write the pairs of each fold.

    As text they have LFW's form. A single fold, which LFW's form does not have, becomes a table with tabs.

    Args:
        path: file to write.
        folds: pairs by their names in LFW's form. With two folds or more, each has as many of one person as of two.
        to: form of the file.
        root: folder of the images.
        paths: path of each image within `root`, by its name.

    Raises:
        DataError: an image of a `.bin` file can't be read.
        RunError: the file can't be written.
    """
    named = [[Pair(paths[first], paths[second], same) for first, second, same in fold] for fold in folds]
    if to == "bin":
        bin_set.write(path, [(root / first, root / second, same) for fold in named for first, second, same in fold])
    elif is_table(to, folds):
        files.write_text(path, table.text_of(named, "," if to == "csv" else "\t"))
    else:
        files.write_text(path, lfw.text_of(folds))
