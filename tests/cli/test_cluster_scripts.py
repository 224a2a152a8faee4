"""The command keeps every correction: over random scripts, kills, a full disk, and two processes at once.

In the scripts photos come and go. Their faces join the people found before, or all faces are clustered.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from finetune.cli import cluster as command, main
from finetune.clustering import (
    Corrections,
    Faces,
    Settings,
    Stored,
    cluster_faces,
    joining,
    read_clusters,
    running,
    write_clusters,
)
from tests.clustering.conftest import planted
from tests.gallery.conftest import CONTRACT

pytestmark = pytest.mark.tf
PHOTOS, START = 20, 12
EMBEDDINGS = planted(people=4, each=6, spread=0.9)[0]
"""One face per photo, and a second one in every fifth photo."""
Face = tuple[str, str]


def content(photo: int) -> bytes:
    return f"photo {photo}".encode()


def found_in(photos: list[Path]) -> Faces:
    """Return the stored faces of photos, in place of detection and network."""
    found, rows = [], []
    for path in photos:
        photo = int(path.read_bytes().split()[1])
        for number, row in enumerate([photo, PHOTOS + photo // 5] if photo % 5 == 0 else [photo], 1):
            found.append((hashlib.sha256(content(photo)).digest(), number, (0.0, 0.0, 9.0, 9.0), ""))
            rows.append(EMBEDDINGS[row])
    return Faces.of(found, np.array(rows, np.float32))


@contextlib.contextmanager
def stored_embeddings() -> Iterator[list[str]]:
    """Let the command take the stored faces within a `with` block; the list gets why it clusters all faces, or ""."""
    reasons: list[str] = []
    why_anew = running.why_anew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "embed_faces", lambda photos, *_, **__: found_in(photos))
        patch.setattr(running, "why_anew", lambda *of: reasons.append(why_anew(*of)) or reasons[-1])
        patch.setattr(command, "restore_of", lambda *_: None)
        yield reasons


def begin(place: Path) -> Path:
    """Cluster the first photos in a folder, and return OUT."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "photos").mkdir(parents=True)
    for photo in range(START):
        (place / f"photos/{photo:02d}.jpg").write_bytes(content(photo))
    paths = sorted((place / "photos").iterdir())
    made = Settings(str(place / "photos"), True, 20, 0.001, 0.6, None, CONTRACT)
    photos = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    stored = Stored(made, found_in(paths), photos, Corrections())
    write_clusters(
        place / "out", stored, cluster_faces(stored.faces, Corrections(), far=0.001, threshold=0.6), new=True
    )
    return place / "out"


def table(out: Path) -> dict[Face, dict[str, str]]:
    """Return the line of each face, by photo and number."""
    return {
        (line["photo"], line["face"]): line for line in csv.DictReader((out / "clusters.csv").read_text().splitlines())
    }


def said(face: Face) -> str:
    """Return how a user names a face."""
    return f"{face[0]}#{face[1]}"


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


class Memory:
    """Corrections that were accepted, kept by other means than the command's."""

    def __init__(self) -> None:
        self.linked: set[frozenset[Face]] = set()
        self.apart: set[frozenset[Face]] = set()
        self.names: dict[Face, str] = {}

    def take(self, kind: str, mine: set[Face], others: set[Face], name: str) -> None:
        """Remember an accepted correction of a cluster and another one, or of its faces that are split off.

        Faces that are split off also leave those which are not there now and were linked with the rest.
        """
        if kind == "merge":
            self.linked |= {frozenset(pair) for pair in combinations(sorted(mine | others), 2)}
        elif kind == "not-same":
            self.apart |= {frozenset([a, b]) for a in mine for b in others}
        elif kind == "split":
            pairs = {frozenset([a, b]) for a in mine - others for b in others}
            rest = mine - others
            kin = {face for pair in self.linked if pair & rest for face in pair - rest - others}
            self.linked -= pairs | {frozenset([a, b]) for a in kin for b in others}
            self.apart |= pairs
            for face in others:
                self.names.pop(face, None)
        else:
            self.names |= dict.fromkeys(mine, name)

    def check(self, out: Path) -> None:
        """Assert that the table shows all of it, and no photo twice in a cluster; and that the links agree."""
        lines = table(out)
        at = {face: line["cluster"] or said(face) for face, line in lines.items()}
        assert all(len({at[face] for face in pair}) == 1 for pair in self.linked if pair <= at.keys())
        assert all(len({at[face] for face in pair}) == 2 for pair in self.apart if pair <= at.keys())
        assert all(lines[face]["name"] == name for face, name in self.names.items() if face in at)
        for a, b in combinations(at, 2):
            assert a[0] != b[0] or at[a] != at[b]
        shown = sorted((line["name"] or line["cluster"], face[0]) for face, line in lines.items() if line["cluster"])
        links = ((link.parent.name, Path(os.readlink(link)).name) for link in (out / "people").glob("*/*"))
        assert sorted(links) == shown


def cluster_of(face: Face, out: Path) -> tuple[str, set[Face]]:
    """Return how a user names the cluster of a face, and its faces."""
    lines = table(out)
    number = lines[face]["cluster"]
    whole = {other for other, line in lines.items() if line["cluster"] == number} if number else {face}
    return number or said(face), whole


STEP = st.tuples(
    st.sampled_from(["merge", "split", "not-same", "name", "add", "add", "remove"]),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["Ann", "Bob"]),
)


def come_and_go(place: Path, kind: str, number: int) -> None:
    """Add a photo that is not in the folder, or remove one that is, and run the command.

    Photos that come back may contradict what was said meanwhile. Then nothing changes, and they go again.
    """
    photos, out = place / "photos", place / "out"
    there = sorted(int(path.stem) for path in photos.iterdir())
    some = there if kind == "remove" else sorted(set(range(PHOTOS)) - set(there))
    photo = some[number % len(some)] if some[1:] else there[0]
    path, before = photos / f"{photo:02d}.jpg", files(out)
    if kind == "remove":
        path.unlink()
    else:
        path.write_bytes(content(photo))
    status = main(["cluster", str(photos), str(out)])
    if status and kind == "add":
        path.unlink()
        assert files(out) == before
        assert main(["cluster", str(photos), str(out)]) == 0
    else:
        assert status == 0
    now = [int(path.stem) for path in photos.iterdir()]
    assert len(table(out)) == sum(1 + (photo % 5 == 0) for photo in now)


def assert_stay(before: dict[Face, dict[str, str]], after: dict[Face, dict[str, str]]) -> None:
    """Assert that faces which others joined have the cluster and the company of before."""
    for one, other in combinations(before.keys() & after.keys(), 2):
        then, now = ({lines[one]["cluster"] or one, lines[other]["cluster"] or other} for lines in (before, after))
        assert (len(then) == 1) == (len(now) == 1)
    for face in before.keys() & after.keys():
        number, new = before[face]["cluster"], after[face]["cluster"]
        left = [other for other, line in before.items() if number and line["cluster"] == number and other in after]
        assert new == number or (new and not number) or (not new and len(left) == 1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [joining.SHARE, 1.0])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=6))
def test_no_correction_is_lost_in_any_script(tmp_path, share, script):
    out, memory = begin(tmp_path), Memory()
    with stored_embeddings() as reasons, pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "SHARE", share)
        for kind, one, other, name in script:
            before, lines = files(out), table(out)
            faces = sorted(lines)
            first, second = faces[one % len(faces)], faces[other % len(faces)]
            if kind in ("add", "remove"):
                come_and_go(tmp_path, kind, one)
                if not reasons[-1]:
                    assert_stay(lines, table(out))
            else:
                text, mine = cluster_of(first, out)
                values = {"split": [text, said(first)], "name": [text, name]}
                their, others = cluster_of(second, out)
                status = main(["cluster", str(out), f"--{kind}", *values.get(kind, [text, their])])
                assert status in (0, 2)
                if status:
                    assert files(out) == before
                else:
                    memory.take(kind, mine, {first} if kind == "split" else others, name)
            memory.check(out)


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked process, without its output, and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads
        child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with stored_embeddings():
                status = work()
            os._exit(status if isinstance(status, int) else 1)
        finally:
            os._exit(3)
    return child


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_each_file_old_or_new(tmp_path):
    chance = random.Random(6)
    kept = begin(tmp_path / "kept")
    assert main(["cluster", str(kept), "--merge", "00.jpg#1", "01.jpg#1"]) == 0
    (kept.parent / "photos/19.jpg").write_bytes(content(19))
    arguments = ["cluster", str(kept.parent / "photos"), str(kept)]
    before = files(kept)
    shutil.copytree(kept, tmp_path / "first", symlinks=True)
    start = time.perf_counter()
    assert os.waitpid(in_child(lambda: main(arguments)), 0)[1] == 0
    lasts = time.perf_counter() - start
    after = files(kept)
    for _ in range(30):
        shutil.rmtree(kept)
        shutil.copytree(tmp_path / "first", kept, symlinks=True)
        child = in_child(lambda: main(arguments))
        time.sleep(chance.uniform(0, lasts))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = files(kept)
        for name in before.keys() & found.keys():
            if not name.endswith(".npz"):  # a zip holds the time
                assert found[name] in (before[name], after[name]), name
        assert before.keys() <= found.keys()
        assert read_clusters(kept).corrections == read_clusters(tmp_path / "first").corrections
        assert len(read_clusters(kept).faces) in (START + 3, START + 4)
        with stored_embeddings():
            assert main(arguments) == 0
        assert (kept / "clusters.csv").read_bytes() == after["clusters.csv"]
        assert {path.name for path in kept.iterdir()} == {*after, "people", "apart"}


@pytest.mark.parametrize("fails", ["corrections.json", "embeddings.npz", "clusters.csv", "people.html"])
def test_a_full_disk_is_one_line_and_the_old_files(tmp_path, capfd, monkeypatch, fails):
    out = begin(tmp_path)
    assert main(["cluster", str(out), "--name", "00.jpg#1", "Ann"]) == 0
    before, replace = files(out), os.replace
    capfd.readouterr()

    def full(source, target):
        if Path(source).name == f".{fails}.partial":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    status = main(["cluster", str(out), "--not-same", "00.jpg#1", "01.jpg#1"])
    told = capfd.readouterr().err.splitlines()
    assert (status, len(told)) == (1, 1)
    assert told[0].endswith("can't be written (No space left on device); what stood there before is whole; make room")
    assert files(out) == before


def test_a_process_at_work_refuses_another_with_one_line(tmp_path, capfd):
    out = begin(tmp_path)
    before = files(out)
    with running.changing(out):
        child = in_child(lambda: main(["cluster", str(out), "--name", "00.jpg#1", "Ann"]))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert "held by process" in line
    assert line.endswith("wait for its end")
    assert files(out) == before


@pytest.mark.slow
def test_two_processes_at_once_lose_no_correction(tmp_path):
    out = begin(tmp_path)
    faces = sorted(table(out))

    def say(turn: int) -> int:
        """Say six corrections, each again until it is accepted."""
        deadline = time.monotonic() + 300
        for number in range(6):
            one, other = faces[0], faces[1 + 2 * number + turn]
            while main(["cluster", str(out), "--not-same", said(one), said(other)]):
                if time.monotonic() > deadline:
                    return 1
                time.sleep(random.Random(turn + number).uniform(0.001, 0.01))
        return 0

    children = [in_child(lambda turn=turn: say(turn)) for turn in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    stored = json.loads((out / "corrections.json").read_text())
    assert len(stored["apart"]) == 12
    at = {face: line["cluster"] or said(face) for face, line in table(out).items()}
    assert all(at[faces[0]] != at[face] for face in faces[1:13])


def test_a_folder_that_another_process_made_meanwhile_keeps_its_corrections(tmp_path, capfd, monkeypatch):
    out = tmp_path / "late"
    begun = begin(tmp_path / "other")
    assert main(["cluster", str(begun), "--name", "00.jpg#1", "Ann"]) == 0

    def late(photos, *_, **__):
        shutil.copytree(begun, out, symlinks=True)
        return found_in(photos)

    monkeypatch.setattr(running, "embed_faces", late)
    monkeypatch.setattr(command, "restore_of", lambda *_: None)
    monkeypatch.setattr("finetune.gallery.Contract.of", lambda _: CONTRACT, raising=False)
    capfd.readouterr()
    assert main(["cluster", str(begun.parent / "photos"), str(out), "--align", "--threshold", "0.6"]) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert line.endswith("late: already there and not an empty folder; give another, or remove it")
    assert read_clusters(out).corrections.names
