"""The clean end of a run on request: SIGTERM, for instance from a spot VM's shutdown, or Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from finetune.errors import Interrupted, Problem

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_asked: list[Interrupted] = []
"""The requests to stop so far. This list is global because a signal concerns the whole process."""


def stop_if_asked() -> None:
    """Raise `Interrupted` after a signal, even if some code has swallowed the first one raised.

    Long work calls this between its steps.
    """
    if _asked:
        raise _asked[0]


@contextlib.contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set the event of the context at the first signal. A second signal acts as it did before.

    This is for work that goes on until it is stopped, and ends by itself between two steps.
    """
    event = threading.Event()
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def on_signal(_number: int, _frame: object) -> None:
        event.set()
        restore()

    for number in SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield event
    finally:
        restore()


@contextlib.contextmanager
def interruptible(how_to_resume: str) -> Iterator[None]:
    """Let the first signal raise `Interrupted` in the main thread.

    It may be raised anywhere, because everything that a run writes is renamed into place. Some libraries turn it into
    their own error, as TensorFlow's tracing does. The context then raises `Interrupted` in its place.

    Args:
        how_to_resume: advice for the error on how to resume.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, _frame: object) -> None:
        _asked.append(Interrupted(Problem("", f"stopped by {signal.Signals(number).name}", how_to_resume), number))
        stop_if_asked()

    previous = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    except Exception as error:
        if _asked and not isinstance(error, Interrupted):
            raise _asked[0] from error
        raise
    finally:
        _asked.clear()
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
