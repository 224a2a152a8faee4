"""A folder of clusters is read as it was written, after a kill and on a full disk too."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import signal
import time
import warnings

import pytest

from finetune.clustering import (
    Corrections,
    Faces,
    Settings,
    Stored,
    cluster_faces,
    correct_clusters,
    naming,
    read_clusters,
    write_clusters,
    write_faces,
)
from finetune.errors import DataError, RunError
from tests.clustering.conftest import planted
from tests.gallery.conftest import CONTRACT

FILES = {"cluster.json", "clusters.csv", "corrections.json", "embeddings.npz", "people", "apart", "people.html"}


@pytest.fixture
def out(tmp_path):
    """Write the clusters of 24 photos of four people, and return their folder."""
    embeddings, labels = planted(people=4, each=6, spread=0.4)
    photos = {}
    for row, label in enumerate(labels):
        name = f"day {row % 2}/{label}-{row:02d}.jpg"
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
        photos[name] = f"{row:064x}"
    faces = Faces.of([(bytes.fromhex(digest), 1, None, "") for digest in photos.values()], embeddings)
    settings = Settings(str(tmp_path / "photos"), False, 20, 0.001, 0.5, None, CONTRACT)
    stored = Stored(settings, faces, photos, Corrections())
    write_clusters(tmp_path / "out", stored, cluster_faces(faces, Corrections(), far=0.001, threshold=0.5))
    return tmp_path / "out"


def test_what_is_written_is_read(out):
    stored = read_clusters(out)
    assert {path.name for path in out.iterdir()} == FILES - {"corrections.json"}
    assert sorted(set(stored.faces.clusters.tolist())) == [1, 2, 3, 4]
    assert stored.settings.contract == CONTRACT
    assert len(stored.photos) == 24
    assert stored.threshold == (0.5, "as given")
    assert (out / "embeddings.npz").stat().st_mode & 0o077 == 0
    people = {folder.name: sorted(os.listdir(folder)) for folder in (out / "people").iterdir()}
    assert sorted(people) == ["0001", "0002", "0003", "0004"]
    for names in people.values():
        assert len(names) == 6
        assert len({name.split("/")[0].split("_")[1][0] for name in names}) == 1  # one label
    assert all(link.resolve().is_file() for link in (out / "people").glob("*/*"))


def test_a_correction_does_not_change_the_threshold(out):
    stored = read_clusters(out)
    settings = json.loads((out / "cluster.json").read_text())
    told = {"threshold": None, "merged_above": 0.625, "source": "estimated"}
    (out / "cluster.json").write_text(json.dumps(settings | told))
    write_faces(
        out / "embeddings.npz", stored.faces, stored.photos, dataclasses.replace(stored.earlier, threshold=0.625)
    )
    people = correct_clusters(out, [naming("1", "Ann")]).people
    assert (people.threshold, people.source) == (0.625, "estimated")
    assert json.loads((out / "cluster.json").read_text()) == settings | told


def test_after_a_kill_between_two_files_the_threshold_is_that_of_the_metric(out):
    """The embeddings' file has both, so that they fit; `cluster.json` may be older."""
    settings = json.loads((out / "cluster.json").read_text())
    (out / "cluster.json").write_text(json.dumps(settings | {"merged_above": 0.9}))
    assert read_clusters(out).threshold == (0.5, "as given")


def test_a_folder_of_something_else_stays_as_it_is(out, tmp_path):
    with pytest.raises(DataError, match="not a folder that finetune cluster made"):
        correct_clusters(tmp_path / "photos", [naming("1", "Ann")])
    assert sorted(os.listdir(tmp_path / "photos")) == ["day 0", "day 1"]


def test_a_full_disk_leaves_whole_files(out):
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(RunError, match="what stood there before is whole; make room"):
            correct_clusters(out, [naming("1", "Ann")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert correct_clusters(out, [naming("1", "Ann")]).people.names == {1: "Ann"}


def naming_for_ever(out, start: int, told: int) -> None:
    number = start
    while True:
        correct_clusters(out, [naming(f"{number % 4 + 1}", f"p{number}")])
        os.write(told, f"{number}\n".encode())
        number += 1


def test_no_acknowledged_correction_is_lost_when_the_command_is_killed_at_any_moment(out):
    start, chance = 0, random.Random(4)
    for _ in range(20):
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads; the child starts none
            child = os.fork()
        if not child:
            try:
                naming_for_ever(out, start, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with open(reading, encoding="utf-8") as told:
            first = told.readline()
            time.sleep(chance.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            last = int([first, *told.read().splitlines()][-1])
        names = set(read_clusters(out).corrections.names.values())
        assert {
            f"p{number}" for number in range(max(0, last - 2), last + 1)
        } <= names  # the next may replace the oldest
        start = last + 1
    done = correct_clusters(out, [naming("1", "Ann")])
    assert done.people.names[1] == "Ann"
    assert {path.name for path in out.iterdir()} == FILES
    assert {folder.name for folder in (out / "people").iterdir()} == set(done.people.names.values())
