"""Views are read by processes or by threads: the same pixels, the same faults, and a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset import processes, reading
from finetune.dataset.views import Viewer, draw_views
from finetune.errors import RunError
from finetune.images import Preprocessing, hash_image
from finetune.recipe import Augment

SIZE = 24
FIXED = Preprocessing(image_size=SIZE)
EVERYTHING = Augment(
    random_crop=True, random_flip=True, random_rotate=10.0, random_shear=5.0, random_brightness=0.1, random_cutout=0.3
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, generator = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(60)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (SIZE + 6, SIZE + 6, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let two processes read all views, however few."""
    processes._refused.clear()
    monkeypatch.setattr(reading, "MANY", 1)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    yield
    processes._refused.clear()


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    processes.stop()
    yield
    processes.stop()


def read(paths: list[Path], batch_size: int = 7, augment: Augment = EVERYTHING) -> list[np.ndarray]:
    indices = np.arange(len(paths))
    checksums = [hash_image(path).checksum for path in paths]
    viewer = Viewer(augment, 5, FIXED)
    return list(reading.read_batches(draw_views(paths, indices, 5, augment, checksums), len(paths), viewer, batch_size))


def workers() -> list[int]:
    return processes._running[0].pids


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("batch_size", [1, 7, 16, 40, 100])
def test_processes_and_threads_read_the_same_pixels(images, two_processes, batch_size, monkeypatch):
    by_processes = read(images, batch_size)
    assert len(workers()) == 2
    monkeypatch.setattr(reading, "running", lambda *, start: None)
    by_threads = read(images, batch_size)
    assert [len(batch) for batch in by_processes] == [len(batch) for batch in by_threads]
    for one, other in zip(by_processes, by_threads, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(map(len, by_processes)) == 60


def test_the_processes_serve_one_work_after_another_and_several_at_once(images, two_processes):
    expected = np.concatenate(read(images))
    first = workers()
    viewer = Viewer(EVERYTHING, 5, FIXED)
    checksums = [hash_image(path).checksum for path in images]
    works = [
        reading.read_batches(draw_views(images, np.arange(60), 5, EVERYTHING, checksums), 60, viewer, 6)
        for _ in range(3)
    ]
    drawn = [[next(work) for work in works] for _ in range(10)]
    for batches in zip(*drawn, strict=True):
        np.testing.assert_array_equal(np.concatenate(batches), expected)
    assert workers() == first


def test_what_is_left_unread_gives_its_memory_back(images, two_processes):
    read(images)
    whole = len(processes._running[0].free)
    for _ in range(5):
        work = reading.read_batches(
            draw_views(images, np.arange(60), 5, EVERYTHING), 60, Viewer(EVERYTHING, 5, FIXED), batch_size=3
        )
        next(work)
        work.close()
    read(images)  # receives the answers that nobody has waited for
    assert len(processes._running[0].free) == whole


def test_the_first_unreadable_image_in_order_is_named(images, two_processes, tmp_path):
    copies = [tmp_path / path.name for path in images]
    for path, copy in zip(images, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    checksums = [hash_image(path).checksum for path in copies]
    copies[40].unlink()
    copies[33].write_bytes(b"another")
    copies[34].unlink()
    viewer = Viewer(EVERYTHING, 5, FIXED)
    work = reading.read_batches(draw_views(copies, np.arange(60), 5, EVERYTHING, checksums), 60, viewer, 8)
    assert [len(next(work)) for _ in range(4)] == [8] * 4
    with pytest.raises(RunError) as raised:
        next(work)
    advice = "leave the images as they are, and start again"
    assert str(raised.value) == f"{copies[33]}: changed while it was used; {advice}"


def test_if_a_process_is_killed_its_work_is_done_in_threads(images, two_processes):
    expected = read(images)
    viewer = Viewer(EVERYTHING, 5, FIXED)
    work = reading.read_batches(draw_views(images, np.arange(60), 5, EVERYTHING), 60, viewer, 7)
    drawn = [next(work)]
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    drawn += work
    np.testing.assert_array_equal(np.concatenate(drawn), np.concatenate(expected))
    assert not processes._running
    np.testing.assert_array_equal(np.concatenate(read(images)), np.concatenate(expected))
    assert not processes._running  # they are not started again


def test_where_processes_are_refused_threads_read(images, two_processes, monkeypatch):
    expected = read(images)
    processes.stop()

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("no processes here")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    np.testing.assert_array_equal(np.concatenate(read(images)), np.concatenate(expected))
    assert not processes._running


def test_an_exception_of_the_program_in_the_midst_ends_the_processes(images, two_processes):
    read(images)
    pids = workers()
    work = reading.read_batches(draw_views(images, np.arange(60), 5, EVERYTHING), 60, Viewer(EVERYTHING, 5, FIXED), 7)
    next(work)
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt)
    assert not processes._running
    assert not any(map(running, pids))


SCRIPT = """
    import sys, numpy as np
    from pathlib import Path
    from finetune.dataset import processes, reading
    from finetune.dataset.views import Viewer, draw_views
    from finetune.images import Preprocessing
    from finetune.recipe import Augment

    reading.MANY, processes.cores = 1, lambda: 2
    paths = sorted(Path(sys.argv[1]).iterdir())
    viewer = Viewer(Augment(), 0, Preprocessing(image_size=24))
    work = reading.read_batches(draw_views(paths, np.arange(60), 0, Augment()), 60, viewer, 8)
    next(work)
    print(*processes._running[0].pids, flush=True)
    print("tensorflow" in sys.modules, flush=True)
    if sys.argv[2] == "waits":
        input()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["by itself", signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_processes_end_with_the_program(images, end, tmp_path):
    script = tmp_path / "script.py"  # a script without `if __name__ == "__main__"`
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, script, images[0].parent, "ends" if end == "by itself" else "waits"]
    program = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 2
    assert program.stdout.readline() == "False\n"
    if end != "by itself":
        program.send_signal(end)
    program.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(running, pids))
