"""A watched folder gives each complete file once, in a process and over restarts."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError, Problem, RunError
from finetune.files import Held
from finetune.gallery.identification import Face, Identification
from finetune.gallery.watched_folder import WatchedFolder, open_journal
from finetune.gallery.watching import watch


def test_a_file_is_given_once_when_it_stands_still(tmp_path):
    folder = WatchedFolder(tmp_path)
    file = tmp_path / "sub/a.jpg"
    file.parent.mkdir()
    file.touch()
    assert (folder.look(), folder.look()) == ([], [])  # whoever made it has not written yet
    for size in (10, 20):
        file.write_bytes(b"x" * size)
        assert folder.look() == []
    assert folder.look() == ["sub/a.jpg"]
    folder.answered["sub/a.jpg"] = folder.version("sub/a.jpg")
    assert folder.look() == []
    file.write_bytes(b"y" * 30)
    assert (folder.look(), folder.look()) == ([], ["sub/a.jpg"])


def test_hidden_files_and_those_of_systems_are_skipped(tmp_path):
    for name in (".a.jpg", "Thumbs.db", ".hidden/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    folder = WatchedFolder(tmp_path)
    assert (folder.look(), folder.look()) == ([], [])


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    (tmp_path / "in").mkdir()
    folder = WatchedFolder(tmp_path / "in")
    assert folder.look() == []
    (tmp_path / "in").rmdir()
    with pytest.raises(DataError, match=r"^.*/in: the watched folder is gone; give one that is there$"):
        folder.look()


@given(st.lists(st.tuples(st.sampled_from(["write", "look", "remove", "restart"]), st.integers(0, 3)), max_size=30))
def test_no_content_is_given_twice_whatever_happens(tmp_path_factory, steps):
    """Every write has another time, as on a real disk; each version is answered at most once, also over restarts."""
    place = tmp_path_factory.mktemp("watched")
    inside, journal_file = place / "in", place / "journal"
    inside.mkdir()
    answers, clock, answered = [], 0, {}
    folder = WatchedFolder(inside)
    for action, number in [*steps, ("look", 0), ("look", 0)]:
        file = inside / f"{number}.jpg"
        if action == "write":
            clock += 1
            file.write_bytes(b"x" * (1 + clock % 2))
            os.utime(file, ns=(clock, clock))
        elif action == "remove":
            file.unlink(missing_ok=True)
        elif action == "restart":
            with open_journal(journal_file, inside) as journal:
                folder = WatchedFolder(inside, journal.answered)
        else:
            with open_journal(journal_file, inside) as journal:
                for name in folder.look():
                    version = folder.version(name)
                    answers.append((name, version))
                    folder.answered[name] = version
                    journal.note(name, version)
            answered = journal.answered
    assert len(answers) == len(set(answers))
    there = {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in inside.iterdir()}
    assert there.items() <= answered.items()


def answer(path: Path) -> list[Identification]:
    if path.suffix == ".txt":
        raise DataError(Problem(path, "not an image"))
    if path.suffix == ".none":
        return [Identification(Face(path, path.parent, None, problem="no face found"))]
    face = Face(path, path.parent, path, 1, (1.0, 2.0, 3.0, 4.0))
    return [Identification(face, "Ann", 0.75, "Ann"), Identification(face, "unknown", 0.25, "Bob")]


def test_the_records_hold_faces_or_the_problem(tmp_path):
    for name in ("a.jpg", "b.txt", "c.none"):
        (tmp_path / name).write_bytes(b"x")
    stop, records = threading.Event(), []
    for record in watch(WatchedFolder(tmp_path), answer, stop, interval=0.01):
        records.append(json.loads(json.dumps(record)))
        if len(records) == 3:
            stop.set()
    assert records == [
        {
            "path": str(tmp_path / "a.jpg"),
            "faces": [
                {"name": "Ann", "nearest": "Ann", "score": 0.75, "box": [1, 2, 3, 4]},
                {"name": "unknown", "nearest": "Bob", "score": 0.25, "box": [1, 2, 3, 4]},
            ],
        },
        {"path": str(tmp_path / "b.txt"), "problem": f"{tmp_path / 'b.txt'}: not an image"},
        {"path": str(tmp_path / "c.none"), "problem": "no face found"},
    ]


def test_an_answer_that_was_printed_is_noted_even_if_the_watch_is_stopped_then(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / name).write_bytes(b"x")
    stop = threading.Event()
    with open_journal(tmp_path / "journal", tmp_path / "in") as journal:
        for _ in watch(WatchedFolder(tmp_path / "in"), answer, stop, interval=0.01, journal=journal):
            stop.set()
    with open_journal(tmp_path / "journal", tmp_path / "in") as journal:
        assert list(journal.answered) == ["a"]


def test_a_journal_that_a_kill_has_cut_is_read_up_to_there(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "journal"
    with open_journal(path, tmp_path / "in") as journal:
        journal.note("a", (1, 2))
        journal.note("b\n\udcff", (3, 4))
    whole = path.read_bytes()
    for length in range(len(whole) - 1, whole.index(b"\n"), -1):
        path.write_bytes(whole[:length])
        with open_journal(path, tmp_path / "in") as journal:
            assert journal.answered in ({}, {"a": (1, 2)})
            journal.note("c", (5, 6))
        with open_journal(path, tmp_path / "in") as journal:
            assert journal.answered["c"] == (5, 6)


def test_what_is_no_journal_is_left_as_it_is(tmp_path):
    inside, file = tmp_path / "in", tmp_path / "file"
    inside.mkdir()
    for content in ("photo,name\n", '"finetune identify --watch"\n[1]\n', '"finetune identify --watch"\nx\n'):
        file.write_text(content)
        with pytest.raises(DataError), open_journal(file, inside):
            pass
        assert file.read_text() == content
    with pytest.raises(DataError, match="lies in"), open_journal(inside / "journal", inside):
        pass
    with open_journal(tmp_path / "j", inside), pytest.raises(Held), open_journal(tmp_path / "j", inside):
        pass
    with pytest.raises(RunError, match="can't be written"), open_journal(tmp_path / "none/j", inside):
        pass
