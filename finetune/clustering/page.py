"""Page of the people found: one HTML file that loads nothing from elsewhere and sends nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from finetune import __version__
from finetune.arrays import Labels
from finetune.clustering.faces import Faces
from finetune.clustering.result import SINGLE, People, is_poor
from finetune.clustering.sheets import EACH, Tiles
from finetune.clustering.thumbnails import SIDE, Thumbnails
from finetune.paths import in_one_line

LISTED = 500
"""Largest number of people in the table that is shown without scripts."""
TEMPLATES = Path(__file__).parent / "templates"


def render(
    people: People,
    photos: Mapping[str, str],
    thumbnails: Thumbnails,
    folder: str,
    out: str,
    sheets: Mapping[str, str] | None = None,
) -> str:
    """Return the page.

    It shows each face once, however many copies of its photo there are: the largest cluster first, and within it the
    face first that is most similar to the cluster's mean.

    Args:
        people: faces with their clusters.
        photos: digest of each photo by its path; empty if the photo can't be read.
        thumbnails: thumbnails; faces without one are shown as grey squares.
        folder: folder of the photos, for the title.
        out: absolute path of the folder of the clustering, for the commands.
        sheets: sheets of the page of before, by the digest of what they show; those that it needs are taken over.
    """
    described, keys = _descriptions(people, photos), people.faces.keys()
    clusters, tiles = list[dict[str, Any]](), Tiles()

    def shown(rows: Sequence[int]) -> list[list[Any]]:
        found = []
        for row in rows:
            jpeg = thumbnails.get(keys[row])
            found.append([*described[row], tiles.add(jpeg) if jpeg else -1])
        return found

    for number, rows in by_size(people.faces):
        name = people.names.get(number, "")
        clusters.append({"number": f"{number:04d}", "name": name, "faces": shown(rows)})
    apart: list[dict[str, Any]] = [
        {"title": title, "faces": shown(rows)} for title, rows in _apart(people, described).items()
    ]
    unread = sorted(photo for photo, digest in photos.items() if not digest)
    apart[-1]["faces"] += [[photo, "", "can't be read", -1] for photo in unread]
    style, script = (_source(name) for name in ("people.css", "people.js"))
    return (
        _environment()
        .get_template("people.html.jinja")
        .render(
            folder=in_one_line(folder),
            data={"out": out, "side": SIDE, "each": EACH, "clusters": clusters, "apart": apart},
            listed=[cluster | {"name": in_one_line(cluster["name"])} for cluster in clusters[:LISTED]],
            sheets=tiles.sheets(sheets or {}),
            style=style,
            script=script,
            hashes={"style": _hash(style), "script": _hash(script)},
            version=__version__,
        )
    )


def by_size(faces: Faces) -> list[tuple[int, list[int]]]:
    """Return the number and the rows of each cluster, the largest first; of two, the one with the lower number.

    The rows are sorted by the cosine to the cluster's mean embedding, the highest first.
    """
    order = np.argsort(faces.clusters, kind="stable")
    numbers, starts = np.unique(faces.clusters[order], return_index=True)
    found = [
        (number, _by_likeness(faces, rows))
        for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
        if number
    ]
    return sorted(found, key=lambda cluster: (-len(cluster[1]), cluster[0]))


def _by_likeness(faces: Faces, rows: Labels) -> list[int]:
    """Return the rows of a cluster, the most representative face first."""
    embeddings = faces.embeddings[rows].astype(np.float64)
    cosines = np.einsum("ij,j->i", embeddings, embeddings.mean(axis=0))  # equal rows give equal sums
    found: list[int] = rows[np.argsort(-cosines, kind="stable")].tolist()
    return found


def _descriptions(people: People, photos: Mapping[str, str]) -> list[list[str]]:
    """Return path, reference and note of each face; the reference is what the command takes, empty if it takes none."""
    paths: dict[str, list[str]] = {}
    for photo, digest in sorted(photos.items()):
        paths.setdefault(digest, []).append(photo)
    faces, found = people.faces, [["", "", ""] for _ in people.apart]
    for digest, rows in faces.rows_of().items():
        first, copies = paths[digest][0], len(paths[digest]) - 1
        for place, row in enumerate(rows, 1):
            which = f"#{place}" if len(rows) > 1 else ""
            notes = [f"face {place}"] if which else []
            notes += [people.apart[row]] if people.apart[row] not in ("", SINGLE) else []
            notes += [f"and {copies} more with this content"] if copies else []
            found[row] = [first, f"{_plain(first)}{which}" if faces.numbers[row] else "", ", ".join(notes)]
    return found


def _plain(photo: str) -> str:
    """Return a path that reads neither as an option nor as the number or the name of a cluster."""
    return photo if "/" in photo and not photo.startswith("-") else f"./{photo}"


def _apart(people: People, described: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Return the rows of the faces that lie apart, by the title of their part of the page, sorted by path."""
    parts: dict[str, list[int]] = {"Seen once": [], "Too poor to judge": [], "No usable face": []}
    once, poor, unusable = parts.values()
    for row, reason in sorted(enumerate(people.apart), key=lambda item: described[item[0]][0]):
        if reason:
            (once if reason == SINGLE else poor if is_poor(reason) else unusable).append(row)
    return parts


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the source of an inline script or style as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
