"""Lists of CALFW and CPLFW (Zheng et al. 2017, 2018): two lines per pair, each a file and the pair's label.

A label is 0 for two people. For one person it is 1 in CPLFW, and the number of the fold, 1 to 10, in CALFW. Both lines
of a pair have the same label. The pairs of two people come last, and their folds are not written: as in the published
evaluation, each kind is cut into ten folds in the order of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finetune.errors import DataError, Problem, bounded
from finetune.images import SUFFIXES as IMAGES
from finetune.paths import excerpt
from finetune.verification import DEFAULT_FOLDS, Pair, PairsFile
from finetune.verification.formats.format import Line, TextForm, people_of


def read(path: Path, lines: Sequence[Line]) -> PairsFile:
    """Read a list of CALFW or CPLFW.

    Raises:
        DataError: the file has malformed lines, or two lines of a pair whose labels differ; one line per problem.
    """
    problems = [
        Problem(f"{path}:{number}", f"found {excerpt(line)}", "write a file and its pair's label, as in x_0001.jpg 1")
        for number, line in lines
        if _entry(line) is None
    ]
    if len(lines) % 2 and not problems:
        problems.append(Problem(f"{path}:{lines[-1].number}", "found one line for a pair", "write two lines for each"))
    entries = [entry for line in lines if (entry := _entry(line.text)) is not None] if not problems else []
    pairs = []
    for place, ((first, label), (second, other)) in enumerate(zip(entries[::2], entries[1::2], strict=True)):
        number = lines[2 * place].number
        if label != other:
            found = f"found the labels {label} and {other} for one pair"
            problems.append(Problem(f"{path}:{number}", found, "write the same label in both lines"))
        elif first == second:
            problems.append(Problem(f"{path}:{number}", f"pairs {first} with itself", "name two images"))
        pairs.append(Pair(first, second, label != 0))
    if problems:
        raise DataError(*bounded(problems, path, "is it a list of CALFW or CPLFW?"))
    return PairsFile(tuple(pairs), DEFAULT_FOLDS, open_folds=True, people=people_of(pairs))


def _fits(lines: Sequence[str]) -> int:
    return sum(_entry(line) is not None for line in lines)


def _entry(line: str) -> tuple[str, int] | None:
    """Return the file and the label of a line, or None if it holds something else."""
    fields = line.split("\t" if "\t" in line else None)
    if len(fields) != 2 or not fields[0].lower().endswith(IMAGES):
        return None
    label = fields[1]
    return (fields[0], int(label)) if label.isascii() and label.isdigit() and len(label) <= 2 else None


TWO_LINES: TextForm = TextForm("a list of CALFW or CPLFW", _fits, read)
