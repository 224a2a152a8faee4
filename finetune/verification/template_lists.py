"""Lists of templates, as IJB publishes them: images by template and media, template pairs, and templates by subject."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.arrays import Labels
from finetune.brief import Brief
from finetune.cells import unguarded
from finetune.errors import DataError, Problem, bounded
from finetune.files import read_text
from finetune.paths import excerpt

COLUMNS = {
    "image": ("image", "path", "file", "filename", "file_name", "name"),
    "template": ("template", "template_id", "tid"),
    "media": ("media", "media_id", "mid", "sighting_id"),
    "subject": ("subject", "subject_id", "sid", "identity", "person"),
    "template1": ("template1", "template_id1", "enroll_template_id", "t1"),
    "template2": ("template2", "template_id2", "verif_template_id", "t2"),
    "label": ("label", "same", "is_same"),
}
"""Names of the columns in a CSV's header, in any case."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Templates(Brief):
    """Images by template. A template is all that is known of a person in one place: photos, and frames of videos.

    Attributes:
        images: image of each line, as written, [n].
        names: names of the templates, in the order in which the list first names them, [t].
        templates: row of `names` of each line's template, int64 [n].
        media: label of each line's media, int64 [n]: a photo, or the video that a frame is from.
    """

    images: tuple[str, ...]
    names: tuple[str, ...]
    templates: Labels
    media: Labels

    def rows(self, names: Sequence[str], where: str | Path) -> Labels:
        """Return the row of each named template, int64.

        Raises:
            DataError: the list lacks some of them; `where` names them.
        """
        order = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in dict.fromkeys(names) if name not in order]
        if missing:
            found = f"{len(missing)} templates that the list of images lacks, such as {missing[0]!r}"
            raise DataError(Problem(where, f"names {found}", "give the lists of one dataset"))
        return np.array([order[name] for name in names], np.int64)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TemplatePairs(Brief):
    """Pairs of templates.

    Attributes:
        first, second: names of the templates, [n] each.
        is_same: True for each pair of one person, bool [n].
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    is_same: npt.NDArray[np.bool_]


def read_templates(path: str | Path) -> Templates:
    """Read the images of templates.

    The file is a CSV with a header that names the columns `image`, `template` and `media`, in any order, among others.
    Or it has lines of `image template media`, separated by white space and without a header, as
    `ijbc_face_tid_mid.txt`.

    Raises:
        DataError: the file can't be read, or it has malformed lines; one line per malformed line.
    """
    rows = [*_rows(Path(os.path.expanduser(path)), ("image", "template", "media"))]
    names = {row["template"]: None for row in rows}
    order = {name: number for number, name in enumerate(names)}
    media = {name: number for number, name in enumerate(dict.fromkeys(row["media"] for row in rows))}
    return Templates(
        tuple(row["image"] for row in rows),
        tuple(names),
        np.array([order[row["template"]] for row in rows], np.int64),
        np.array([media[row["media"]] for row in rows], np.int64),
    )


def read_template_pairs(path: str | Path) -> TemplatePairs:
    """Read pairs of templates: `template1,template2,label` with a header, or `t1 t2 label` without one.

    The label is 1 for one person and 0 for two. IJB-C publishes them as `ijbc_template_pair_label.txt`.

    Raises:
        DataError: the file can't be read, or it has malformed lines; one line per malformed line.
    """
    path = Path(os.path.expanduser(path))
    rows = [*_rows(path, ("template1", "template2", "label"))]
    wrong = next((row for row in rows if row["label"] not in ("0", "1")), None)
    if wrong is not None:
        raise DataError(Problem(path, f"found the label {wrong['label']!r}", "write 1 for one person, 0 for two"))
    same = np.array([row["label"] == "1" for row in rows], bool)
    return TemplatePairs(tuple(row["template1"] for row in rows), tuple(row["template2"] for row in rows), same)


def read_subjects(path: str | Path) -> dict[str, str]:
    """Read the templates of a gallery or of probes: `{template: subject}`.

    The file is a CSV with a header that names the columns `template` and `subject`, as `ijbc_1N_gallery_G1.csv` and
    `ijbc_1N_probe_mixed.csv`. A template may have several lines.

    Raises:
        DataError: the file can't be read, has malformed lines, or gives a template to two subjects.
    """
    path = Path(os.path.expanduser(path))
    subjects: dict[str, str] = {}
    for row in _rows(path, ("template", "subject")):
        template, subject = row["template"], row["subject"]
        if subjects.setdefault(template, subject) != subject:
            found = f"template {template!r} is of {subjects[template]!r} and of {subject!r}"
            raise DataError(Problem(path, found, "give each template one subject"))
    return subjects


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Yield the wanted columns of each line.

    Raises:
        DataError: the file can't be read, lacks a column, has malformed lines, or no line.
    """
    form = f"a CSV with the columns {', '.join(columns)}"
    lines = [(number, line) for number, line in enumerate(read_text(path, form).splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(Problem(path, "found no line", f"give {form}"))
    comma = "," in lines[0][1]
    places = _header(lines[0][1], columns, path, form) if comma else tuple(range(len(columns)))
    problems: list[Problem] = []
    rows = []
    for number, line in lines[comma:]:
        fields = _fields(line) if comma else line.split()
        short = len(fields) <= max(places) if comma else len(fields) != len(columns)
        if short or not all(fields[place] for place in places):
            problems.append(Problem(f"{path}:{number}", f"found {excerpt(line)}", f"write {' '.join(columns)}"))
            continue
        rows.append(dict(zip(columns, (fields[place] for place in places), strict=True)))
    if not rows and not problems:
        problems.append(Problem(path, "found a header alone", f"give {form}"))
    if problems:
        raise DataError(*bounded(problems, path, f"is it {form}?"))
    yield from rows


def _header(line: str, columns: Sequence[str], path: Path, form: str) -> tuple[int, ...]:
    """Return the place of each column in the lines of a CSV."""
    words = [word.casefold() for word in _fields(line)]
    places = [next((words.index(word) for word in COLUMNS[column] if word in words), None) for column in columns]
    missing = [column for column, place in zip(columns, places, strict=True) if place is None]
    if missing:
        found = f"the header {excerpt(line)} lacks the column {missing[0]}"
        raise DataError(Problem(f"{path}:1", found, f"give {form}"))
    return tuple(place for place in places if place is not None)


def _fields(line: str) -> list[str]:
    """Return the fields of a line of CSV; a template's fields hold no line break."""
    return [unguarded(field.strip()) for field in next(csv.reader([line], skipinitialspace=True))]
