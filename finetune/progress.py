"""What is shown of long work: a bar with the time that remains on a terminal, plain lines elsewhere; wide tables."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from finetune.words import escaped

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 30.0
WIDTH = 136
"""Columns that the tables need at the most, but for long names."""
LINES = "\n\t"
LOGGER = logging.getLogger("finetune")
"""Receives the lines, in place of the terminal, where they are not to be printed."""
_silenced = False
_logged: ContextVar[bool] = ContextVar("logged", default=False)


def silence() -> None:
    """From here on this process shows nothing of its work: another one tells of the same work."""
    global _silenced
    _silenced = True


@contextlib.contextmanager
def printing(wanted: bool) -> Iterator[None]:  # noqa: FBT001
    """Within it, lines are printed and progress is shown, or lines go to the logger `finetune` alone."""
    token = _logged.set(not wanted)
    try:
        yield
    finally:
        _logged.reset(token)


def say(text: str = "") -> None:
    """Print lines at once, so that a log shows them while the run goes on.

    All that is printed goes through here or through `say_aside`: names of others' files and classes may hold what a
    terminal acts on.
    """
    if _logged.get():
        LOGGER.info(escaped(text, LINES))
    elif not _silenced:
        print(escaped(text, LINES), flush=True)


def say_aside(text: str) -> None:
    """Print lines to stderr at once: what is to be known beside an answer."""
    if _logged.get():
        LOGGER.warning(escaped(text, LINES))
    else:
        print(escaped(text, LINES), file=sys.stderr, flush=True)


def wide_console() -> Console:
    """Wide enough for every table, whatever the terminal's width: no figure is cut."""
    # Names are no markup, and no emoji.
    return Console(width=max(WIDTH, Console().width), markup=False, emoji=False)


def track(items: Iterable[Item], total: int, what: str, step: int = 1) -> Iterator[Item]:
    """Yields `items`, showing on stderr how far it is.

    Args:
        total: how much work there is, in the unit that is shown.
        what: two or three words, such as `embedding images`.
        step: work done by one item; the last one may be partial.
    """
    if _silenced or _logged.get():
        yield from items
        return
    show = _bar if sys.stderr.isatty() else _lines
    yield from show(items, total, what, step)


def _bar(items: Iterable[Item], total: int, what: str, step: int) -> Iterator[Item]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.update(task, completed=min(total, progress.tasks[0].completed + step))


def _lines(items: Iterable[Item], total: int, what: str, step: int) -> Iterator[Item]:
    """Print how far it is, and what remains by the speed since the first item: that one pays for what starts slowly."""
    said = time.monotonic()
    first: float | None = None
    done = 0
    for item in items:
        yield item
        done = min(total, done + step)
        now = time.monotonic()
        if done < total and now - said >= SECONDS_BETWEEN_LINES:
            said = now
            estimate = ""
            if first is not None:
                estimate = f", about {(now - first) / (done - step) * (total - done):.0f} s remain"
            print(f"{what}: {done} of {total}{estimate}", file=sys.stderr, flush=True)
        first = now if first is None else first
