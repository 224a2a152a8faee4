"""LFW's pairs.txt, which may also name files instead of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finetune.errors import DataError, Problem, bounded
from finetune.images import SUFFIXES as IMAGES
from finetune.names import look_the_same, spelled_alike
from finetune.paths import excerpt
from finetune.verification import DEFAULT_FOLDS, Pair, PairsFile, image_name, number_of
from finetune.verification.formats.format import Line, TextForm
from finetune.words import counted

FORM = "a pairs file in LFW's form"
_MOST_DIGITS = 9


def read(path: Path, lines: Sequence[Line]) -> PairsFile:
    """Read a pairs file in LFW's format.

    A line is `NAME n1 n2` for two images of one person, or `NAME1 n1 NAME2 n2` for two people. Fields are separated by
    tabs if the line has any (names may then contain spaces), else by white space. The name of a file, with its suffix,
    may replace a number. The first line may be a header: the number of folds and of pairs of each kind per fold, or the
    number of pairs of each kind alone. Without a number of folds, or with one fold, there are 10, as in the published
    evaluation.

    Raises:
        DataError: the file has malformed lines; one line per malformed line.
    """
    header = _header(lines[0].text) if lines else None
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for number, line in lines[header is not None :]:
        try:
            pairs.append(_pair(line))
        except DataError as error:
            problems += error.within(f"{path}:{number}")
    if header is not None and header[0] == 0:
        problems.insert(0, Problem(f"{path}:{lines[0].number}", "the header asks for 0 folds", "write 10, as LFW does"))
    if not pairs and not problems:
        problems.append(Problem(path, "found no pairs", f"give {FORM}"))
    if problems:
        raise DataError(*bounded(problems, path, "is it a pairs file?"))
    notes = [
        f"{path.name} names {other!a} and {first!a}, which are one name, as two people"
        for first, other in spelled_alike(image.rpartition("/")[0] for pair in pairs for image in pair[:2])
    ]
    if header is None:
        return PairsFile(tuple(pairs), DEFAULT_FOLDS, tuple(notes))
    n_folds, promised = header
    if promised != len(pairs):
        notes.insert(0, f"the header of {path.name} promises {counted(promised, 'pair')}, it holds {len(pairs)}")
    return PairsFile(tuple(pairs), n_folds if n_folds > 1 else DEFAULT_FOLDS, tuple(notes))


def text_of(folds: Sequence[Sequence[Pair]]) -> str:
    """Return pairs in LFW's format. The folds must have equally many pairs of each kind."""
    header = f"{len(folds)}\t{len(folds[0]) // 2}"
    return "\n".join([header, *(_line(pair) for fold in folds for pair in fold)]) + "\n"


def _fits(lines: Sequence[str]) -> int:
    return sum(map(_resembles_pair, lines)) + any(_header(line) for line in lines[:1])


def _header(line: str) -> tuple[int, int] | None:
    """Return the number of folds (1 by default) and the number of pairs in all, if the line is a header."""
    fields = line.split()
    if len(fields) > 2 or not all(map(_is_number, fields)):
        return None
    n_folds, per_fold = (1, int(fields[0])) if len(fields) == 1 else (int(fields[0]), int(fields[1]))
    return n_folds, 2 * n_folds * per_fold


def _pair(line: str) -> Pair:
    fields = _fields(line)
    match fields:
        case [name, n1, n2] if _is_image(n1) and _is_image(n2):
            return Pair(image_name(name, n1), image_name(name, n2), is_same=True)
        case [name1, n1, name2, n2] if _is_image(n1) and _is_image(n2):
            if name1 == name2 or look_the_same([name1, name2]):
                one_person = f"write {name1} {n1} {n2} for a pair of one person"
                raise DataError(Problem("", f"names {name1!r} twice", one_person))
            return Pair(image_name(name1, n1), image_name(name2, n2), is_same=False)
    tabs = "; separate them by tabs where a name holds spaces" if "\t" not in line and len(fields) > 3 else ""
    form = f"write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two{tabs}"
    raise DataError(Problem("", f"found {excerpt(line)}", form))


def _resembles_pair(line: str) -> bool:
    """Return whether a line is a pair, or close enough to one for a message about it to help."""
    fields = _fields(line)
    return len(fields) > 2 and _is_image(fields[-1]) and not fields[0].lower().endswith(IMAGES)


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def _is_image(field: str) -> bool:
    """Return whether a field is a number, or the name of an image file."""
    return _is_number(field) or field.lower().endswith(IMAGES)


def _is_number(field: str) -> bool:
    return field.isascii() and field.isdigit() and len(field) <= _MOST_DIGITS


def _line(pair: Pair) -> str:
    (name1, image1), (name2, image2) = (_split(image) for image in pair[:2])
    return f"{name1}\t{image1}\t{image2}" if pair.is_same else f"{name1}\t{image1}\t{name2}\t{image2}"


def _split(image: str) -> tuple[str, int | str]:
    """Return the fields of an image in a line: its person, and its number or its file."""
    name, _, file = image.rpartition("/")
    number = number_of(image)
    return name, file if number is None else number


LFW_PAIRS: TextForm = TextForm("LFW's pairs.txt", _fits, read)
