"""The folder of a clustering: its settings, embeddings and corrections, a table, and links to the photos by person."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune import files
from finetune.brief import Brief
from finetune.cells import csv_text
from finetune.clustering.corrections import Corrections, read_corrections, write_corrections
from finetune.clustering.earlier import Earlier
from finetune.clustering.faces import ADVICE, Faces, read_faces, write_faces
from finetune.clustering.page import render
from finetune.clustering.photo_links import name_links, read_links, write_links
from finetune.clustering.result import SINGLE, People, is_poor
from finetune.clustering.sheets import read_sheets
from finetune.clustering.thumbnails import cut_thumbnails, read_thumbnails, write_thumbnails
from finetune.errors import DataError, Problem, RunError
from finetune.gallery import Contract
from finetune.paths import in_one_line

FORMAT, FORMAT_OF_METRIC = "finetune clusters 1", "finetune clusters 2"
"""The second has a metric, without which older versions would compare faces wrongly."""
SETTINGS, FACES, CORRECTIONS, TABLE = "cluster.json", "embeddings.npz", "corrections.json", "clusters.csv"
PEOPLE, APART, LOCK = "people", "apart", ".cluster.lock"
THUMBNAILS, PAGE = "thumbnails.npz", "people.html"
COLUMNS = ("photo", "face", "left", "top", "right", "bottom", "cluster", "name", "apart")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a clustering.

    Attributes:
        photos: absolute path of the folder of photos.
        align: whether faces are found in the photos.
        min_face_size: side of the smallest face to detect, in pixels.
        far: share of the pairs of two people's faces that may be merged.
        threshold: threshold that was given in place of the rate, or None.
        gallery: absolute path of the gallery, or None.
        contract: model and preprocessing of the embeddings.
    """

    photos: str
    align: bool
    min_face_size: int
    far: float
    threshold: float | None
    gallery: str | None
    contract: Contract


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Stored(Brief):
    """Clustering of a folder, as its files hold it.

    Attributes:
        settings: settings.
        faces: faces, with their clusters' numbers.
        photos: digest of each photo by its path relative to the folder; empty if it can't be read.
        corrections: corrections.
        threshold: mean similarity above which clusters were merged, and where it comes from; None before that.
        earlier: what the clustering left for faces that are added later; None in folders of older versions.
    """

    settings: Settings
    faces: Faces
    photos: Mapping[str, str]
    corrections: Corrections
    threshold: tuple[float, str] | None = None
    earlier: Earlier | None = None


class Line(NamedTuple):
    """One face of one photo, as a line of the table.

    Attributes:
        photo: path relative to the folder of photos.
        row: row of the face; None if the photo can't be read.
        number: number of the face in the photo, from 1; 0 if there is no usable face.
        cluster: number of the cluster; 0 if the face lies apart.
        name: name of the cluster; empty if it has none.
        apart: why the face lies apart.
    """

    photo: str
    row: int | None
    number: int
    cluster: int
    name: str
    apart: str


def refuse_other_files(out: Path) -> None:
    """Refuse a result among whose links something else lies: they are made anew, and it would be lost.

    Raises:
        DataError: a file of the user lies there.
        RunError: a folder can't be read.
    """
    for name in (PEOPLE, APART):
        try:
            read_links(out / name)
        except OSError as error:
            raise RunError(Problem(out / name, f"can't be read ({error.strerror})", "make it readable")) from error


def refuse_within_result(out: Path) -> None:
    """Refuse a place for a new result within another one, whose links are made anew.

    Raises:
        DataError: a folder above is a result.
    """
    parents = Path(os.path.abspath(out)).parents
    above = next((folder for folder in parents if was_clustered(folder) and (folder / FACES).is_file()), None)
    if above:
        found = f"lies in {in_one_line(above)}, which finetune cluster made"
        raise DataError(Problem(in_one_line(out), found, "give a place beside it"))


def was_clustered(out: Path) -> bool:
    """Return whether a folder is that of a clustering."""
    return (out / SETTINGS).is_file()


def read_clusters(out: Path) -> Stored:
    """Read the folder of a clustering.

    Raises:
        DataError: the folder is none, or a file of it is damaged.
    """
    settings, threshold = read_settings(out)
    faces, photos, earlier = read_faces(out / FACES)
    if earlier and earlier.threshold is not None:  # that of its metric: a kill may have come between the two files
        threshold = earlier.threshold, threshold[1]
    return Stored(settings, faces, photos, read_corrections(out / CORRECTIONS), threshold, earlier)


def read_settings(out: Path) -> tuple[Settings, tuple[float, str]]:
    """Read the settings of a clustering; and the threshold above which clusters were merged, and its source.

    Raises:
        DataError: the folder is none, or the file is damaged.
    """
    if not was_clustered(out):
        found = "not a folder that finetune cluster made" if out.exists() else "no such folder"
        raise DataError(Problem(in_one_line(out), found, "give the OUT of finetune cluster PHOTOS OUT"))
    with files.reading(out / SETTINGS, ADVICE):
        stored = json.loads(files.read(out / SETTINGS))
        if stored.pop("format") not in (FORMAT, FORMAT_OF_METRIC):
            raise DataError(Problem(out / SETTINGS, "of another version of finetune", "make a new folder"))
        threshold = float(stored.pop("merged_above")), str(stored.pop("source"))
        return Settings(**{**stored, "contract": Contract(**stored["contract"])}), threshold


@contextlib.contextmanager
def changing(out: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        DataError: another process changes it.
        RunError: the lock can't be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(out / LOCK))
        except OSError as error:
            raise RunError(Problem(out, f"can't be written ({error.strerror})", "choose another place")) from error
        yield


def write_clusters(
    out: Path, stored: Stored, people: People, *, new: bool = False, corrected: bool = False
) -> list[Line]:
    """Write the folder, corrections first, then what follows from them. Return the lines of its table.

    A kill at any moment leaves corrections and embeddings whole. The next run makes the table, the links and the page
    anew. After an error the files are those of before.

    Args:
        out: folder to write.
        stored: what is clustered.
        people: its clusters.
        new: whether to refuse a folder that is in use. Another process may have made it meanwhile, with corrections.
        corrected: whether only corrections changed. After an error in the page they are then those of before, too.
            New embeddings are kept instead.

    Raises:
        DataError: the folder is in use and has to be new, or another process is making it.
        RunError: a file can't be written.
    """
    table = lines(people, stored.photos)
    if not new and out.is_dir() and any(out.iterdir()):
        names = (CORRECTIONS, FACES, SETTINGS, TABLE, *((THUMBNAILS, PAGE) if corrected else ()))
        with files.restored(*(out / name for name in names)):
            _fill(out, stored, people, table)
            if corrected:
                _write_page(out, stored, people)
        if not corrected:
            _write_page(out, stored, people)
    else:
        files.write_folder(out, lambda folder: _fill(folder, stored, people, table))
        with changing(out):  # the embeddings are safe by now, and thumbnails may take long
            _write_page(out, stored, people)
    return table


def _fill(out: Path, stored: Stored, people: People, table: Sequence[Line]) -> None:
    if stored.corrections != read_corrections(out / CORRECTIONS):
        write_corrections(out / CORRECTIONS, stored.corrections)
    write_faces(out / FACES, people.faces, stored.photos, people.left)
    merged = {"merged_above": people.threshold, "source": people.source}
    learned = people.left is not None and people.left.metric.matrix is not None
    format_ = FORMAT_OF_METRIC if learned else FORMAT
    settings = {"format": format_, **dataclasses.asdict(stored.settings), **merged}
    files.write_json(out / SETTINGS, settings)
    files.write_text(out / TABLE, csv_text([COLUMNS, *_cells(table, people.faces)]))
    photos = Path(stored.settings.photos)
    for name, place in ((PEOPLE, _person), (APART, _apart)):
        shown_in = ((folder, line.photo) for line in table if (folder := place(line)))
        write_links(out / name, name_links(shown_in, photos))


def _write_page(out: Path, stored: Stored, people: People) -> None:
    """Write the page, and the thumbnails if any were cut or left out."""
    folder = os.path.join(stored.settings.photos, "")
    photos = {digest: folder + name for name, digest in stored.photos.items() if digest}
    known = read_thumbnails(out / THUMBNAILS)
    thumbnails = cut_thumbnails(people.faces, photos, known)
    if thumbnails.keys() != known.keys():
        write_thumbnails(out / THUMBNAILS, thumbnails)
    sheets = read_sheets(out / PAGE)
    html = render(people, stored.photos, thumbnails, stored.settings.photos, os.path.abspath(out), sheets)
    files.write(out / PAGE, lambda file: file.write(html.encode()), private=True)


def lines(people: People, photos: Mapping[str, str]) -> list[Line]:
    """Return one line per face of each photo, sorted by path and number; one for a photo without a face."""
    rows, found = people.faces.rows_of(), []
    numbers, clusters = people.faces.numbers.tolist(), people.faces.clusters.tolist()
    for photo, digest in sorted(photos.items()):
        found += [
            Line(photo, row, numbers[row], clusters[row], people.names.get(clusters[row], ""), people.apart[row])
            for row in rows.get(digest, ())
        ] or [Line(photo, None, 0, 0, "", "can't be read")]
    return found


def _cells(table: Sequence[Line], faces: Faces) -> Iterator[list[object]]:
    """Yield the cells of each line of the table."""
    boxes = faces.boxes.tolist()
    has_box = ~np.isnan(faces.boxes).any(axis=1) & (faces.numbers > 0)
    for line, boxed in zip(table, [line.row is not None and has_box[line.row] for line in table], strict=True):
        box = [f"{side:.1f}" for side in boxes[line.row]] if boxed else [""] * 4
        cluster = shown(line.cluster) if line.cluster else ""
        yield [in_one_line(line.photo), line.number or "", *box, cluster, line.name, line.apart]


def shown(number: int) -> str:
    """Return a cluster's number as the table and the folders show it."""
    return f"{number:04d}"


def _person(line: Line) -> str:
    """Return the folder of a person's face; empty if it lies apart."""
    return line.name or (shown(line.cluster) if line.cluster else "")


def _apart(line: Line) -> str:
    """Return the folder of a face that lies apart; empty if it does not, or there is no face."""
    if line.apart == SINGLE:
        return SINGLE
    return "poor" if is_poor(line.apart) else ""
