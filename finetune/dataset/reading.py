"""Batches of views, read ahead on all cores: by processes for long work, else by threads."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import numpy as np

from finetune.dataset.processes import Ended, Pending, Processes, running, stop
from finetune.dataset.views import Unreadable, View, Viewer
from finetune.errors import RunError
from finetune.images import Pixels
from finetune.runtime import cores

PART = 16
"""Largest number of views that are read together."""
BATCHES_AHEAD, PARTS_AHEAD = 2, 3
"""Batches that are read ahead, or parts per core if these are more."""
BYTES_AHEAD = 2**28
"""Largest size of the views that are read ahead."""
MANY = 1500
"""Number of views from which processes are started, which takes about a second. Once they run, they read all views."""
_jobs = itertools.count()
_asked: collections.Counter[str] = collections.Counter()
"""Number of views of all jobs so far. It is global because the processes serve them all."""


def read_batches(views: Iterable[View], total: int, viewer: Viewer, batch_size: int) -> Iterator[Pixels]:
    """Yield batches of views in order, uint8 [b, size, size, channels]; the last one may be smaller.

    Which process or thread reads a view does not change its pixels.

    Args:
        views: views to read.
        total: number of views.
        viewer: reader of the views.
        batch_size: views per batch.

    Raises:
        RunError: an image can no longer be read; the error names the first one in order.
    """
    _asked["views"] += total
    reader = _Reader(viewer, running(start=_asked["views"] >= MANY))
    ahead: collections.deque[tuple[Pending | _Future, bool]] = collections.deque()
    with reader.cleaning(ahead):
        parts, batch = _parts(views, batch_size, reader.part), []
        while True:
            for part, ends in itertools.islice(parts, max(1, reader.ahead(batch_size)) - len(ahead)):
                ahead.append((reader.give(part), ends))
            if not ahead:
                return
            given, ends = ahead.popleft()
            batch.append(reader.take(given))
            if ends:
                yield np.concatenate(batch)
                batch = []


_Future = Future[Pixels | Unreadable]


def _parts(views: Iterable[View], batch_size: int, size: int) -> Iterator[tuple[tuple[View, ...], bool]]:
    """Yield the views in parts, each within one batch, and whether the part ends its batch."""
    rest = iter(views)
    while batch := tuple(itertools.islice(rest, batch_size)):
        for start in range(0, len(batch), size):
            yield batch[start : start + size], start + size >= len(batch)


class _Reader:
    """A reader of parts, by processes, or by threads where there are none.

    Args:
        viewer: reader of single views.
        processes: processes that run already, or None.

    Attributes:
        part: largest number of views per part.
    """

    def __init__(self, viewer: Viewer, processes: Processes | None) -> None:
        fitting = processes.at_once(viewer) if processes else 0
        self._viewer, self._processes, self._job = viewer, processes if fitting else None, next(_jobs)
        self.part = min(PART, fitting or PART)
        self._size = int(np.prod(viewer.shape))

    def ahead(self, batch_size: int) -> int:
        """Return the number of parts to read ahead."""
        parts = max(BATCHES_AHEAD * -(-batch_size // self.part), PARTS_AHEAD * cores())
        return min(parts, BYTES_AHEAD // (self.part * self._size))

    def give(self, part: tuple[View, ...]) -> Pending | _Future:
        """Let the views of a part be read."""
        if self._processes:
            try:
                if given := self._processes.give(self._job, self._viewer, part):
                    return given
            except Ended:
                self._go_on_in_threads()
        return self._threads.submit(self._read, part)

    def take(self, given: Pending | _Future) -> Pixels:
        """Return the pixels of a part, [n, size, size, channels].

        Raises:
            RunError: an image can no longer be read.
        """
        found = given.result() if isinstance(given, Future) else self._taken(given)
        if isinstance(found, Unreadable):
            raise RunError(*found.problems)
        return found

    @contextlib.contextmanager
    def cleaning(self, ahead: Iterable[tuple[Pending | _Future, bool]]) -> Iterator[None]:
        """Forget what nobody waits for at the end of the context, and end processes that an exception disturbed."""
        try:
            yield
        except (GeneratorExit, RunError):
            raise
        except BaseException:  # a signal may have cut a message in two
            stop()
            raise
        finally:
            for given, _ in ahead:
                given.cancel() if isinstance(given, Future) else given.drop()
            with contextlib.suppress(Ended):
                if self._processes:
                    self._processes.forget(self._job)
            if "_threads" in vars(self):
                self._threads.shutdown()

    def _taken(self, given: Pending) -> Pixels | Unreadable:
        try:
            return given.take(self._viewer)
        except Ended:
            self._go_on_in_threads()
            return self._read(given.views)

    def _go_on_in_threads(self) -> None:
        stop(refused=True)
        self._processes = None

    def _read(self, part: Sequence[View]) -> Pixels | Unreadable:
        pixels = np.empty([len(part), *self._viewer.shape], np.uint8)
        return self._viewer.fill(pixels, part) or pixels

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(cores())
