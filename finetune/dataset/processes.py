"""Processes that read images on all cores, and the memory through which they hand them over.

They are started by the first long work and serve until the end of this process. They are programs of their own, never
forks: a fork of a process with TensorFlow's threads can hang, and `multiprocessing` would run the user's script again.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import itertools
import mmap
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from finetune.dataset.views import Unreadable, View, Viewer
from finetune.dataset.worker import Answer, Task
from finetune.images import Pixels
from finetune.runtime import cores

MEMORY = 2**29
"""Bytes that the processes share. Only what is used takes memory."""
SLOT = 2**21
"""Bytes of a task's pixels, unless a single image has more."""
PROGRAM = "import sys; from finetune.dataset.worker import main; main(sys.argv[1:])"
ENDED = "a process that reads images has ended"
ENDING = 5.0
"""Seconds that a process has to end by itself."""


class Ended(RuntimeError):
    """Error for processes that ended before this one asked them to."""


class Worker:
    """One process, and the pipes of its tasks and answers.

    Args:
        memory: descriptor of the shared memory.

    Attributes:
        load: views that it was given and has not answered yet.
        jobs: jobs whose viewers it has.
    """

    def __init__(self, memory: int) -> None:
        from multiprocessing.connection import Connection

        tasks, self._tasks = os.pipe()
        answers, written = os.pipe()
        given = tasks, written, memory
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *map(str, given)],
                stdin=subprocess.DEVNULL,
                pass_fds=given,
                start_new_session=True,  # so that Ctrl-C reaches this process alone
                env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": path},
            )
        except BaseException:
            os.close(self._tasks)
            os.close(answers)
            raise
        finally:
            os.close(tasks)
            os.close(written)
        self.tasks, self.answers = Connection(self._tasks, readable=False), Connection(answers, writable=False)
        self.load = 0
        self.jobs: set[int] = set()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def end(self) -> None:
        """Close the pipes and wait for the end of the process."""
        self.tasks.close()
        self.answers.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Pending:
    """A task that was given to a process.

    Attributes:
        views: views of the task.
        answer: answer of the process, or None.
    """

    def __init__(self, processes: Processes, worker: Worker, start: int, views: tuple[View, ...]) -> None:
        self.processes, self.worker, self.start, self.views = processes, worker, start, views
        self.answer: Answer | None = None
        self._dropped = False

    def take(self, viewer: Viewer) -> Pixels | Unreadable:
        """Wait for the views, and return a copy of their pixels, or why one can't be read.

        Raises:
            Ended: a process has ended.
        """
        answer = self.processes.wait_for(self)
        shape = len(self.views), *viewer.shape
        pixels = self.processes.pixels(self.start, shape).copy()
        self.drop()
        if answer.failure:
            raise RuntimeError(f"a process that reads images failed:\n{answer.failure}")
        return answer.unreadable or pixels

    def answered(self, answer: Answer) -> None:
        """Keep the answer, unless nobody waits for it any more."""
        self.answer = answer
        self.worker.load -= len(self.views)
        if self._dropped:
            self.processes.free.append(self.start)

    def drop(self) -> None:
        """Give the memory back, now or once the process has answered."""
        self._dropped = True
        if self.answer is not None:
            self.processes.free.append(self.start)


class Processes:
    """Processes that read views, least loaded first.

    Args:
        number: number of processes.

    Raises:
        OSError: this machine refuses processes or shared memory.
    """

    def __init__(self, number: int) -> None:
        with _shared_file() as file:
            os.ftruncate(file.fileno(), MEMORY)
            self._memory = mmap.mmap(file.fileno(), MEMORY)
            self._workers: list[Worker] = []
            try:
                for _ in range(number):
                    self._workers.append(Worker(file.fileno()))
            except BaseException:
                self.end()
                raise
        self.owner = os.getpid()
        self.free: list[int] = list(range(0, MEMORY, SLOT))[::-1]  # the last one freed is taken first
        self._pending: dict[int, Pending] = {}
        self._numbers = itertools.count()
        self._lock = threading.RLock()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [worker.pid for worker in self._workers]

    def at_once(self, viewer: Viewer) -> int:
        """Return the number of views that fit into one task; 0 if not even one does."""
        return SLOT // int(np.prod(viewer.shape))

    def give(self, job: int, viewer: Viewer, views: Sequence[View]) -> Pending | None:
        """Give views to the least loaded process; return None if all of the memory is in use.

        Raises:
            Ended: a process has ended.
        """
        with self._lock:
            return self._give(job, viewer, views) if self.free else None

    def _give(self, job: int, viewer: Viewer, views: Sequence[View]) -> Pending:
        if not self._workers:
            raise Ended(ENDED)
        worker = min(self._workers, key=lambda worker: worker.load)
        pending = Pending(self, worker, self.free.pop(), tuple(views))
        number = next(self._numbers)
        self._pending[number] = pending
        worker.load += len(views)
        with _pipe_errors():
            if job not in worker.jobs:
                worker.tasks.send((job, viewer))
                worker.jobs.add(job)
            worker.tasks.send(Task(number, pending.start, job, pending.views))
        return pending

    def forget(self, job: int) -> None:
        """Let the processes forget a job's viewer."""
        with self._lock, _pipe_errors():
            for worker in self._workers:
                if job in worker.jobs:
                    worker.jobs.remove(job)
                    worker.tasks.send((job, None))

    def end(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.tasks.close()  # all of them end at the same time
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def wait_for(self, pending: Pending) -> Answer:
        """Receive answers until that of a task is there.

        Raises:
            Ended: a process has ended.
        """
        with self._lock:
            while pending.answer is None:
                self._receive()
            return pending.answer

    def _receive(self) -> None:
        """Receive the answers that are there, at least one."""
        from multiprocessing.connection import wait

        by_pipe = {worker.answers: worker for worker in self._workers}
        if not by_pipe:
            raise Ended(ENDED)
        with _pipe_errors():
            for pipe in wait(list(by_pipe)):
                answer: Answer = by_pipe[pipe].answers.recv()  # type: ignore[index]
                self._pending.pop(answer.number).answered(answer)

    def pixels(self, start: int, shape: tuple[int, ...]) -> Pixels:
        """Return the pixels from this byte of the memory on, without copying them."""
        return np.frombuffer(self._memory, np.uint8, int(np.prod(shape)), start).reshape(shape)


_running: list[Processes] = []
"""The processes of this program, if they run. This list is global because they serve all of its work."""
_refused: collections.Counter[int] = collections.Counter()
"""How often processes could not be started, or ended too early, by the number of this process."""


def running(*, start: bool) -> Processes | None:
    """Return this program's processes, one per core.

    Args:
        start: whether to start them, unless they run or were refused before.

    Returns:
        The processes; None if they don't run, or there is only one core.
    """
    if _running and _running[0].owner != os.getpid():
        _running.clear()  # a fork has the memory of its parent, but not its processes
    known = Path(sys.executable or "").name.startswith("python")  # not a program that Python is built into
    if not _running and start and known and cores() > 1 and not _refused[os.getpid()]:
        try:
            _running.append(Processes(cores()))
        except (OSError, ValueError):
            _refused[os.getpid()] += 1
    return _running[0] if _running else None


def stop(*, refused: bool = False) -> None:
    """End this program's processes, if they run.

    Args:
        refused: whether to start no others later.
    """
    _refused[os.getpid()] += refused
    while _running:
        processes = _running.pop()
        if processes.owner == os.getpid():
            processes.end()


atexit.register(stop)


@contextlib.contextmanager
def _pipe_errors() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise Ended(ENDED) from error


def _shared_file() -> IO[bytes]:
    """Return an open file without a name: in memory where the system has such files, else in the temporary folder."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("finetune"), "r+b")
    return tempfile.TemporaryFile()
