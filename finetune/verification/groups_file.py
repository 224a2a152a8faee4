"""Reading of a file that says to which groups the people of some pairs belong."""

from __future__ import annotations

import csv
import itertools
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.cells import unguarded
from finetune.errors import DataError, Problem, bounded
from finetune.files import read_text
from finetune.names import same_identities, spelling
from finetune.paths import excerpt
from finetune.verification.pair_groups import UNKNOWN, Column, PairGroups
from finetune.verification.pairs import ImagePairs
from finetune.words import counted

FORM = "a CSV file with the header identity,GROUP"
IDENTITY = "identity"
MOST = 40
"""Largest number of groups in a column. A column with more holds values such as ages in years, which are no groups."""


class _Row(NamedTuple):
    """Groups of one person, and the line that says it."""

    line: int
    groups: tuple[str, ...]


def read_groups(path: str | Path, pairs: ImagePairs) -> PairGroups:
    """Return the groups of the people in some pairs.

    The first line is a header: `identity`, and a name for each division into groups, such as `age` and `region`. Each
    other line is one person. Names are compared in any spelling. An empty field means that the person's group is not
    known. People who are in no pair are ignored.

    Args:
        path: CSV file.
        pairs: pairs whose people are to be divided into groups.

    Raises:
        DataError: the file can't be read or is malformed, a person has two groups, or people of the pairs are missing;
            one line each.
    """
    path = Path(os.path.expanduser(path))
    problems: list[Problem] = []
    names, people = _read(path, problems)
    identities = pairs.identities
    if names:
        problems += _missing(path, people, identities)
    if problems:
        raise DataError(*bounded(problems, path, f"is it {FORM}?"))
    known = {name: number for number, name in enumerate(dict.fromkeys(filter(None, identities)))}
    strangers = itertools.count(len(known))  # nobody knows who they are, so each image is of one more person
    person = np.array([known[name] if name else next(strangers) for name in identities], np.intp)
    spelled, blank = same_identities(people, known), ("",) * len(names)
    rows = [people[spelled[name]].groups if name in spelled else blank for name in known]
    rows += [blank] * identities.count("")
    columns = [_column(name, [row[i] for row in rows]) for i, name in enumerate(names)]
    problems = [
        Problem(path, f"found {len(column.groups)} groups in {column.name}", f"make at most {MOST}, such as 20-29")
        for column in columns
        if len(column.groups) > MOST
    ]
    problems += [
        Problem(path, f"found no group in {column.name}", "give somebody of the pairs one")
        for column in columns
        if not column.groups
    ]
    if problems:
        raise DataError(*problems)
    first, second = person[pairs.index1], person[pairs.index2]
    return PairGroups(first, np.where(pairs.is_same, first, second), tuple(columns))


def _read(path: Path, problems: list[Problem]) -> tuple[list[str], dict[str, _Row]]:
    """Return the names of the columns of groups, and the people by name; add what is wrong to `problems`."""
    reader = csv.reader(read_text(path, FORM).splitlines(keepends=True), strict=True, skipinitialspace=True)
    header: list[str] = []
    people: dict[str, _Row] = {}
    spellings: dict[str, str] = {}
    try:
        for row in reader:
            fields = [unguarded(field.strip()) for field in row]
            where = f"{path}:{reader.line_num}"
            if not any(fields):
                continue
            if not header:
                header = fields
                problems += _unusable_header(header, where)
                if problems:
                    return [], {}
                place = [field.casefold() for field in header].index(IDENTITY)
            elif len(fields) != len(header):
                found = f"found {excerpt(','.join(fields))}, {len(fields)} fields where {len(header)} belong"
                problems.append(Problem(where, found))
            elif not spelling(fields[place]):
                problems.append(Problem(where, f"found {fields[place]!r} for an identity", "write its name"))
            else:
                name = fields.pop(place)
                first = spellings.setdefault(spelling(name), name)
                known = people.setdefault(first, _Row(reader.line_num, tuple(fields)))
                if known.groups != tuple(fields):
                    found = f"{name} is {'/'.join(known.groups)} in line {known.line} and {'/'.join(fields)} here"
                    problems.append(Problem(where, found, "keep one of them"))
    except csv.Error as error:
        advice = "quote what holds a comma, and double the quotes in it"
        problems.append(Problem(f"{path}:{reader.line_num}", str(error), advice))
    if not (people or problems):
        problems.append(Problem(path, "names nobody", f"give {FORM}"))
    return [field for field in header if field.casefold() != IDENTITY], people


def _unusable_header(header: list[str], where: str) -> list[Problem]:
    """Return the problems of a header: no identities, no groups, or columns without a name or with one name."""
    names = [field.casefold() for field in header]
    if IDENTITY not in names or len(names) < 2:
        return [Problem(where, f"found the header {excerpt(','.join(header))}", "write identity,GROUP")]
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    problems = [Problem(where, f"two columns are named {name}", "rename one") for name in twice]
    if "" in names:
        problems.append(Problem(where, "a column has no name", "name it, or remove it"))
    return problems


def _missing(path: Path, people: dict[str, _Row], identities: tuple[str, ...]) -> list[Problem]:
    """Return one problem if the file lacks people of the pairs."""
    named = dict.fromkeys(filter(None, identities))
    spelled = same_identities(people, named)
    missing = [name for name in named if name not in spelled]
    if not missing or not people:
        return []
    shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    found = f"lacks {len(missing)} of the {counted(len(named), 'identity', ',')} in the pairs: {shown}"
    return [Problem(path, found, "add them, with an empty field where a group is not known")]


def _column(name: str, of: list[str]) -> Column:
    groups = sorted(set(of) - {""})
    number = {group: place for place, group in enumerate(groups)} | {"": UNKNOWN}
    return Column(name, tuple(groups), np.array([number[group] for group in of], np.intp))
