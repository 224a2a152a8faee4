"""Ending a run cleanly when it is asked to: SIGTERM as a spot VM is taken, Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from finetune.errors import Interrupted, Problem

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_asked: list[Interrupted] = []
"""The requests to stop that have come. Signals are sent to the whole process, and so this belongs to all of it."""


def stop_if_asked() -> None:
    """Raise `Interrupted` where a signal came, should code that swallows exceptions have lost it.

    Long work calls this between its steps.
    """
    if _asked:
        raise _asked[0]


@contextlib.contextmanager
def interruptible(how_to_resume: str) -> Iterator[None]:
    """Let the first signal raise `Interrupted` in the main thread.

    Everything that a run writes is renamed into place, so it may be raised anywhere. Where a library makes an error
    of its own of it, as TensorFlow's tracing does, `Interrupted` is what leaves.

    Args:
        how_to_resume: what to do afterwards, as the error says it.
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
