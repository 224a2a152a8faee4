"""Tables of pairs: two images, 1 for one person or 0 for two, and perhaps a fold, in a line.

Fields are separated by commas, tabs, semicolons or spaces. A field that holds the separator is in double quotes.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.cells import FORMULA
from finetune.errors import DataError, Problem, bounded
from finetune.images import SUFFIXES as IMAGES
from finetune.paths import excerpt
from finetune.verification import DEFAULT_FOLDS, Pair, PairsFile
from finetune.verification.formats.format import Line, TextForm, people_of

LABELS = {"0": False, "1": True, "false": False, "true": True}
SEPARATORS = ("\t", ",", ";", " ")
FORM = "write two images and 0 or 1, as in ann/a.jpg,bob/b.jpg,0"
SAMPLED = 50
"""Number of lines that tell the separator."""
HEADER = ("first", "second", "same", "fold")


class _Row(NamedTuple):
    """Fields of a line; `fold` is empty if the line has none."""

    pair: Pair
    fold: str


def read(path: Path, lines: Sequence[Line]) -> PairsFile:
    """Read a table of pairs.

    The first line may be a header. Images are paths within the folder of images, or absolute paths. With folds, each
    pair stays in its fold; the folds are numbered in the order of their names.

    Raises:
        DataError: the file has malformed lines, folds in some lines only, or a single fold; one line per problem.
    """
    separator = _separator([line.text for line in lines[:SAMPLED]])
    has_header = _row(lines[0].text, separator) is None and _is_header(lines[0].text, separator)
    rows: list[_Row] = []
    problems: list[Problem] = []
    for number, line in lines[has_header:]:
        row = _row(line, separator)
        if row is None:
            quotes = "; put a path that holds spaces in double quotes" if separator == " " else ""
            problems.append(Problem(f"{path}:{number}", f"found {excerpt(line)}", FORM + quotes))
        elif row.pair.first == row.pair.second:
            problems.append(Problem(f"{path}:{number}", f"pairs {row.pair.first} with itself", "name two images"))
        else:
            rows.append(row)
    folds = Counter(row.fold for row in rows)
    if "" in folds and len(folds) > 1:
        found = f"{folds['']} of {len(rows)} lines have no fold"
        problems.append(Problem(path, found, "write a fold in each line, or in none"))
    elif len(folds) == 1 and "" not in folds:
        problems.append(Problem(path, f"found only the fold {next(iter(folds))}", "write two or more, or none"))
    if not rows and not problems:
        problems.append(Problem(path, "found no pairs", FORM))
    if problems:
        raise DataError(*bounded(problems, path, "is it a table of pairs?"))
    pairs = tuple(row.pair for row in rows)
    if "" in folds:
        return PairsFile(pairs, DEFAULT_FOLDS, open_folds=True, people=people_of(pairs))
    order = {name: place for place, name in enumerate(sorted(folds, key=_fold_order))}
    return PairsFile(pairs, len(order), folds=tuple(order[row.fold] for row in rows), people=people_of(pairs))


def text_of(folds: Sequence[Sequence[Pair]], separator: str) -> str:
    """Return pairs as a table with a header; with one fold, without a column of folds.

    A path that a spreadsheet would take for a formula begins with `./`.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    width = len(HEADER) - (len(folds) == 1)
    writer.writerow(HEADER[:width])
    for number, fold in enumerate(folds, 1):
        for first, second, is_same in fold:
            writer.writerow((_safe(first), _safe(second), int(is_same), number)[:width])
    return text.getvalue()


def _safe(path: str) -> str:
    return f"./{path}" if FORMULA.match(path) else path


def _separator(lines: Sequence[str]) -> str:
    """Return the separator with which most lines are pairs; tabs go before commas, and spaces come last."""
    return max(SEPARATORS, key=lambda separator: sum(_row(line, separator) is not None for line in lines))


def _fits(lines: Sequence[str]) -> int:
    separator = _separator(lines)
    return sum(_row(line, separator) is not None for line in lines)


def _fields(line: str, separator: str) -> list[str]:
    try:
        rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error:  # a quote that does not end
        return []
    return [field.strip() for field in rows[0]] if rows else []


def _row(line: str, separator: str) -> _Row | None:
    """Return the pair of a line, or None if it holds something else."""
    fields = _fields(line, separator)
    if len(fields) not in (3, 4) or fields[2].lower() not in LABELS or not all(map(_is_path, fields[:2])):
        return None
    fold = fields[3] if len(fields) == 4 else ""
    return _Row(Pair(_plain(fields[0]), _plain(fields[1]), LABELS[fields[2].lower()]), fold)


def _is_header(line: str, separator: str) -> bool:
    fields = _fields(line, separator)
    return len(fields) in (3, 4) and not any(map(_is_path, fields)) and fields[2].lower() not in LABELS


def _is_path(field: str) -> bool:
    return "/" in field or "\\" in field or field.lower().endswith(IMAGES)


def _plain(path: str) -> str:
    """Return a path with `/` between its parts, without `./` before it. Windows writes backslashes alone."""
    return (path if "/" in path else path.replace("\\", "/")).removeprefix("./")


def _fold_order(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isascii() and name.isdigit() and len(name) < 10 else (10**9, name)


TABLE: TextForm = TextForm("a table of two images and 0 or 1 per line", _fits, read)
