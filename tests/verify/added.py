"""Seconds of `finetune cluster` when one photo was added, part by part, beyond the embedding."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune import clustering
from finetune.arrays import Floats, Labels
from finetune.cli import cluster as command, main
from finetune.clustering import (
    SINGLE,
    Centres,
    Clusters,
    Corrections,
    Earlier,
    Faces,
    Metric,
    People,
    Settings,
    Stored,
    folder,
    running,
    write_clusters,
    write_thumbnails,
)
from finetune.gallery import Contract

THRESHOLD = 0.66
PARTS = {
    "photos listed": [(running, "list_photos")],
    "folder read": [(clustering, "read_clusters")],
    "faces joined": [(running, "join_faces")],
    "faces written": [(folder, "write_faces")],
    "table": [(folder, "lines"), (folder, "csv_text")],
    "links": [(folder, "name_links"), (folder, "write_links")],
    "thumbnails": [(folder, "read_thumbnails"), (folder, "cut_thumbnails"), (folder, "write_thumbnails")],
    "page": [(folder, "read_sheets"), (folder, "render")],
}
"""Functions of each part."""


def one_photo(rows: Floats, people: Labels) -> dict[str, tuple[float, float]]:
    """Return wall and processor's seconds of each part, and of all, when the last of the rows is added.

    The photos are small noise, which is their thumbnails too. The clusters of the other rows are given, by their
    people and with embeddings that were not expanded.
    """
    with tempfile.TemporaryDirectory(prefix="finetune-") as place:
        photos, out = Path(place, "photos"), Path(place, "out")
        paths = [photos / f"{person:06d}/{row:06d}.jpg" for row, person in enumerate(people.tolist())]
        contents = [noise(row) for row in range(len(rows))]
        for path, content in zip(paths[:-1], contents, strict=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        given(out, photos, paths[:-1], contents[:-1], rows[:-1], people[:-1])
        digest = hashlib.sha256(contents[-1]).digest()
        added = Faces.of([(digest, 1, (0.0, 0.0, 48.0, 48.0), "")], rows[-1:])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "embed_faces", lambda *_, **__: added)
            patch.setattr(command, "restore_of", lambda *_: None)
            time.sleep(3)  # files that have just changed are read again
            run(photos, out)
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            paths[-1].write_bytes(contents[-1])
            with timed() as spent:
                start = clock()
                run(photos, out)
                spent["all"] = tuple(np.subtract(clock(), start).tolist())
        return spent


def given(out: Path, photos: Path, paths: list[Path], contents: list[bytes], rows: Floats, people: Labels) -> None:
    """Write the folder of a clustering whose clusters are the people."""
    digests = [hashlib.sha256(content).digest() for content in contents]
    faces = Faces.of([(digest, 1, (0.0, 0.0, 48.0, 48.0), "") for digest in digests], rows)
    alone = np.bincount(people)[people] == 1
    faces.clusters[:] = np.where(alone, 0, people + 1)
    metric = Metric(np.eye(rows.shape[1], dtype=np.float32))  # takes the time of any
    clusters = Clusters(people, THRESHOLD, "as given", rows, metric)
    settings = Settings(str(photos), True, 20, 0.001, THRESHOLD, None, Contract("model", "0" * 64, 160, "fixed"))
    names = {path.relative_to(photos).as_posix(): digest.hex() for path, digest in zip(paths, digests, strict=True)}
    stored = Stored(settings, faces, names, Corrections())
    stamp = running._stamp(stored, THRESHOLD)
    left = Earlier(Centres.from_clusters(clusters), len(faces), 0, stamp, metric, THRESHOLD)
    apart = tuple(SINGLE if one else "" for one in alone.tolist())
    out.mkdir()
    write_thumbnails(out / folder.THUMBNAILS, dict(zip(faces.keys(), contents, strict=True)))
    write_clusters(out, stored, People(faces, apart, {}, THRESHOLD, "as given", left))


def run(photos: Path, out: Path) -> None:
    """Run the command, without its output."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = main(["cluster", str(photos), str(out)])
    assert (status, "beside the people" in told.getvalue()) == (0, True), told.getvalue()


@contextlib.contextmanager
def timed() -> Iterator[dict[str, Any]]:
    """Sum the seconds of each part within a `with` block."""
    spent: dict[str, Any] = dict.fromkeys(PARTS, (0.0, 0.0))
    with pytest.MonkeyPatch.context() as patch:
        for part, functions in PARTS.items():
            for module, name in functions:
                patch.setattr(module, name, watched(getattr(module, name), part, spent))
        yield spent


def watched(function: Callable[..., Any], part: str, spent: dict[str, Any]) -> Callable[..., Any]:
    """Return a function that also adds its seconds to those of a part."""

    def call(*arguments: Any, **others: Any) -> Any:
        start = clock()
        try:
            return function(*arguments, **others)
        finally:
            spent[part] = tuple(np.add(spent[part], np.subtract(clock(), start)).tolist())

    return call


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def noise(seed: int) -> bytes:
    """Return a JPEG of 48 by 48 pixels; no two are the same."""
    pixels = np.random.default_rng(seed).integers(0, 256, [6, 6, 3], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def table(found: dict[int, dict[str, tuple[float, float]]]) -> list[str]:
    """Return one line per part, with the seconds at each number of faces."""
    return [
        f"| one photo more | {' | '.join(f'{n:,} faces: seconds | processor' for n in found)} |",
        f"| --- |{' --- | --- |' * len(found)}",
        *(
            f"| {part} | {' | '.join(f'{spent[part][0]:.2f} | {spent[part][1]:.2f}' for spent in found.values())} |"
            for part in [*PARTS, "all"]
        ),
    ]
