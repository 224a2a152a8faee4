"""A process that reads views into shared memory, for `finetune.dataset.processes`. It imports no TensorFlow.

It is started with the numbers of three open files: the pipe of its tasks, the pipe of its answers, and the memory. It
ends when the pipe of its tasks is closed, as it is at any end of the process that started it.
"""

from __future__ import annotations

import contextlib
import mmap
import signal
import traceback
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finetune.dataset.views import Unreadable, View, Viewer
from finetune.interruption import SIGNALS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Task(NamedTuple):
    """Views to read into the shared memory.

    Attributes:
        number: number of the task, which its answer repeats.
        start: first byte of the views' pixels in the memory.
        job: number of the job, whose viewer was sent before.
        views: views to read.
    """

    number: int
    start: int
    job: int
    views: tuple[View, ...]


class Answer(NamedTuple):
    """The end of a task.

    Attributes:
        number: number of the task.
        unreadable: why the first unreadable view can't be read, or None.
        failure: traceback of any other error, or nothing.
    """

    number: int
    unreadable: Unreadable | None = None
    failure: str = ""


def main(arguments: Sequence[str]) -> None:
    """Answer tasks until their pipe is closed."""
    from multiprocessing.connection import Connection

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the end of the process that started this one ends it too
    warnings.simplefilter("ignore")  # Pillow's warnings, as in the inspection
    _one_thread()
    tasks, answers, memory = map(int, arguments)
    with contextlib.suppress(EOFError, BrokenPipeError):
        _answer(Connection(tasks, writable=False), Connection(answers, readable=False), mmap.mmap(memory, 0))


def _one_thread() -> None:
    """Keep OpenCV in one thread: the other cores have processes of their own."""
    import cv2

    cv2.setNumThreads(1)


def _answer(tasks: Connection, answers: Connection, memory: mmap.mmap) -> None:
    viewers: dict[int, Viewer] = {}
    while True:
        received = tasks.recv()
        if not isinstance(received, Task):  # the number of a job, with its viewer, or None at the job's end
            job, viewer = received
            viewers.pop(job, None) if viewer is None else viewers.update({job: viewer})
            continue
        try:
            viewer = viewers[received.job]
            shape = len(received.views), *viewer.shape
            out = np.frombuffer(memory, np.uint8, int(np.prod(shape)), received.start).reshape(shape)
            answers.send(Answer(received.number, viewer.fill(out, received.views)))
        except OSError:
            raise
        except Exception:
            answers.send(Answer(received.number, failure=traceback.format_exc()))
