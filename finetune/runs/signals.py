"""Ending a run cleanly when it is asked to: SIGTERM as a spot VM is taken, Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from finetune.errors import Interrupted, Problem

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def interruptible(how_to_resume: str) -> Iterator[Callable[[], None]]:
    """Within it, the first signal raises `Interrupted` in the main thread.

    Everything that a run writes is renamed into place, so it may be raised anywhere. Where a library makes an error
    of its own of it, as TensorFlow's tracing does, `Interrupted` is what leaves. The yielded function raises it too,
    should code that swallows exceptions have lost it.
    """
    received: list[int] = []

    def interrupted() -> Interrupted:
        stopped = Problem("", f"stopped by {signal.Signals(received[0]).name}", how_to_resume)
        return Interrupted(stopped, received[0])

    def check() -> None:
        if received:
            raise interrupted()

    def on_signal(number: int, _frame: object) -> None:
        received.append(number)
        check()

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    previous = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield check
    except Exception as error:
        if received and not isinstance(error, Interrupted):
            raise interrupted() from error
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
