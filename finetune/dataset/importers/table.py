"""The import of photos listed in a CSV file of paths and names."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from finetune.cells import unguarded
from finetune.dataset.importers.listing import Listed, Listing
from finetune.errors import DataError, Problem
from finetune.files import read_text
from finetune.images import SUFFIXES
from finetune.paths import excerpt

FORM = "a CSV file of paths and names"
PATHS = ("path", "file", "filename", "file_name", "image", "photo")
NAMES = ("name", "identity", "person", "label", "class")


def read_csv(file: Path, root: Path | None = None) -> Listing:
    """Read lines of `path,name`, where either field may be quoted.

    The first line is a header if no field in it ends as an image file does. With one of `PATHS` and one of `NAMES` in
    it, the columns may be in any order, among others.

    Args:
        file: CSV file.
        root: base folder of relative paths; by default, the CSV's folder.

    Raises:
        DataError: the file can't be read.
    """
    # A root that also holds the CSV, such as the home folder, may hold the new folder too.
    apart = root is not None and not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))
    photos_folder = root if apart else None
    root = file.parent if root is None else root
    reader = csv.reader(read_text(file, FORM).splitlines(keepends=True), strict=True, skipinitialspace=True)
    photos: list[Listed] = []
    problems: list[Problem] = []
    columns: tuple[int, int] | None = None
    width = 2
    try:
        for row in reader:
            where, fields = f"{file}:{reader.line_num}", [field.strip() for field in row]
            if not any(fields):
                continue
            if columns is None and not any(field.lower().endswith(SUFFIXES) for field in fields):
                columns, width = _header(fields, where), len(fields)
                continue
            columns = columns or (0, 1)
            if len(fields) == width:
                path, name = (unguarded(fields[column]) for column in columns)
                photos.append(Listed(root / os.path.expanduser(path), name, where))
            else:
                problems.append(
                    Problem(where, f"found {excerpt(','.join(row))}, {len(fields)} fields where {width} belong")
                )
    except csv.Error as error:
        problems.append(
            Problem(f"{file}:{reader.line_num}", str(error), "quote what holds a comma, and double the quotes in it")
        )
    return Listing(file, root, photos, problems=problems, photos_folder=photos_folder)


def _header(fields: list[str], where: str) -> tuple[int, int]:
    """Return the columns of path and name.

    Raises:
        DataError: the header does not tell which of several columns they are.
    """
    words = [field.casefold() for field in fields]
    path = next((words.index(word) for word in PATHS if word in words), None)
    name = next((words.index(word) for word in NAMES if word in words), None)
    if path is not None and name is not None:
        return path, name
    if len(fields) == 2:
        return 0, 1
    found = excerpt(",".join(fields))
    raise DataError(
        Problem(where, f"found {found}", "write PATH,NAME, or a header that calls the columns path and name")
    )
