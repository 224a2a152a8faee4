"""Faces listed in a CSV file with their people's names, or in the result of `finetune cluster`."""

from __future__ import annotations

import csv
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.cells import unguarded
from finetune.errors import DataError, Problem, bounded
from finetune.files import read_text
from finetune.names import normal, why_unusable
from finetune.paths import excerpt, in_one_line

Box = tuple[float, float, float, float]
SIDES = ("left", "top", "right", "bottom")
GROUPS, GROUPS_ABOUT = "clusters.csv", "cluster.json"
"""Files of a folder that `finetune cluster` wrote."""
FORM = "a CSV file with the header photo,left,top,right,bottom,name"


class ListedFace(NamedTuple):
    """Face in a list.

    Attributes:
        photo: photo that shows the face.
        name: name of the person.
        box: left, top, right, bottom of the face in the photo, in pixels; None if the list has none.
        where: file and line.
    """

    photo: Path
    name: str
    box: Box | None
    where: str


def is_list(place: Path) -> bool:
    """Return whether a path is that of a list: a CSV file, or a folder that `finetune cluster` wrote."""
    return place.suffix.lower() == ".csv" if place.is_file() else (place / GROUPS_ABOUT).is_file()


def read_faces(place: Path) -> list[ListedFace]:
    """Read a CSV file, or the folder that `finetune cluster` wrote.

    The header names the columns `photo` and `name`, and maybe `left`, `top`, `right` and `bottom`, in any order; other
    columns are skipped. Relative paths start at the CSV's folder, or at the folder of the clustered photos, and stay in
    it. Faces of a cluster without a name, and faces that stand apart from their cluster, are left out.

    Raises:
        DataError: the list can't be used; one line per problem. The table of `finetune cluster` alone does not say
            where the photos are.
    """
    if place.name == GROUPS and (place.parent / GROUPS_ABOUT).is_file():
        advice = f"give the folder, {in_one_line(place.parent)}"
        raise DataError(Problem(in_one_line(place), "the table in a folder that finetune cluster wrote", advice))
    if place.is_dir():
        return _read(place / GROUPS, _photos_of(place / GROUPS_ABOUT), named_only=True)
    return _read(place, place.parent, named_only=False)


def _photos_of(about: Path) -> Path:
    """Return the folder of the photos that were clustered."""
    advice = "give the folder that finetune cluster wrote"
    try:
        found = json.loads(read_text(about, "the folder that finetune cluster wrote"))
        photos = found["photos"] if isinstance(found, dict) else None
    except (ValueError, KeyError, RecursionError):
        photos = None
    if not isinstance(photos, str) or not photos or "\0" in photos:
        raise DataError(Problem(in_one_line(about), "does not name the folder of the photos", advice))
    folder = about.parent / photos
    if not folder.is_dir():
        found_at = f"names the photos' folder {in_one_line(folder)}, which is not there"
        raise DataError(Problem(in_one_line(about), found_at, "put the photos back, or cluster them again"))
    return folder


def _read(file: Path, root: Path, *, named_only: bool) -> list[ListedFace]:
    shown = in_one_line(file)
    reader = csv.reader(read_text(file, FORM).splitlines(keepends=True), strict=True, skipinitialspace=True)
    faces: list[ListedFace] = []
    problems: list[Problem] = []
    header: list[str] = []
    try:
        for row in reader:
            where = f"{shown}:{reader.line_num}"
            fields = [unguarded(field.strip()) for field in row]
            if not any(fields):
                continue
            if not header:
                header = _header(fields, where)
                continue
            if len(fields) != len(header):
                found = f"found {excerpt(','.join(row))}, {len(fields)} fields where the header has {len(header)}"
                problems.append(Problem(where, found, "quote what holds a comma"))
                continue
            cells = dict(zip(header, fields, strict=True))
            if named_only and (not cells["name"] or cells.get("apart")):
                continue
            face, wrong = _face(cells, root, where)
            problems += wrong
            faces += [] if wrong else [face]
    except csv.Error as error:
        advice = "quote what holds a comma, and double the quotes in it"
        problems.append(Problem(f"{shown}:{reader.line_num}", str(error), advice))
    problems += _given_twice(faces)
    if not problems and not faces:
        naming = f"finetune cluster {shlex.quote(in_one_line(file.parent))} --name 0001 Ann"
        advice = f"name a person: {naming}" if named_only else f"give {FORM}"
        problems.append(Problem(shown, "no face with a name in it", advice))
    if problems:
        raise DataError(*bounded(problems, shown, f"give {FORM}"))
    return list({(face.photo, face.box): face for face in faces}.values())


def _header(fields: Sequence[str], where: str) -> list[str]:
    """Return the names of the columns.

    Raises:
        DataError: a column is missing or stands twice.
    """
    header = [field.casefold() for field in fields]
    sides = [side for side in SIDES if side in header]
    missing = [name for name in ("photo", *(SIDES if sides else ()), "name") if name not in header]
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if missing or twice:
        lacks = f"it lacks {', '.join(missing)}" if missing else f"{', '.join(twice)} stands in it twice"
        found = f"found {excerpt(','.join(fields))} as the header; {lacks}"
        raise DataError(Problem(where, found, "write photo,left,top,right,bottom,name, or photo,name"))
    return header


def _face(cells: Mapping[str, str], root: Path, where: str) -> tuple[ListedFace, list[Problem]]:
    """Return the face of a row, and the row's problems."""
    problems = []
    photo, name = cells["photo"], normal(cells["name"])
    if problem := why_unusable(name):
        problems.append(problem.within(where))
    path = root / photo
    if not photo or "\0" in photo:
        problems.append(Problem(where, "no photo", "write its path"))
    elif not os.path.isabs(photo) and os.path.normpath(photo).split(os.sep)[0] == os.pardir:
        advice = "write an absolute path if that is meant"
        problems.append(Problem(where, f"found {excerpt(photo)}, outside of {in_one_line(root)}", advice))
    elif not os.path.isfile(path):
        problems.append(Problem(where, f"found {excerpt(photo)}, no such file in {in_one_line(root)}"))
    box, found = _box([cells.get(side, "") for side in SIDES])
    if found:
        problems.append(Problem(where, found, "write left,top,right,bottom in pixels, or leave all four empty"))
    return ListedFace(path, name, box, where), problems


def _box(texts: Sequence[str]) -> tuple[Box | None, str]:
    """Return the box, or None without one, and what is wrong with it."""
    if not any(texts):
        return None, ""
    found = f"found {excerpt(','.join(texts))}"
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError:
        return None, f"{found}, not four numbers"
    if not all(math.isfinite(side) for side in (left, top, right, bottom)):
        return None, f"{found}, not four numbers"
    return ((left, top, right, bottom), "") if left < right and top < bottom else (None, f"{found}, an empty box")


def _given_twice(faces: Sequence[ListedFace]) -> list[Problem]:
    """Return a problem for each face that was listed before under another name."""
    first: dict[tuple[Path, Box | None], ListedFace] = {}
    problems = []
    for face in faces:
        before = first.setdefault((face.photo, face.box), face)
        if before.name != face.name:
            found = f"the face is {excerpt(before.name)} in {before.where}, and {excerpt(face.name)} here"
            problems.append(Problem(face.where, found, "write one name"))
    return problems
