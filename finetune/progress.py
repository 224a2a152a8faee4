"""Progress of long work, as a bar with the remaining time on a terminal or as plain lines; and wide tables.

Rich is imported where it draws, because most commands end before they need it.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from finetune.words import escaped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 30.0
WIDTH = 136
"""Columns that the tables need, apart from long names."""
NARROW = 80
"""Columns of the narrowest terminal that lines are wrapped for."""
HEIGHT = 25
LINES = "\n\t"
LOGGER = logging.getLogger("finetune")
"""Logger for the lines that are not to be printed."""
_silenced = False
_logged: ContextVar[bool] = ContextVar("logged", default=False)


def silence() -> None:
    """Stop all output of this process, because another process reports the same work."""
    global _silenced
    _silenced = True


@contextlib.contextmanager
def printing(wanted: bool) -> Iterator[None]:  # noqa: FBT001
    """Print lines and show progress inside the context if `wanted`; else send lines only to the logger `finetune`."""
    token = _logged.set(_logged.get() or not wanted)
    try:
        yield
    finally:
        _logged.reset(token)


def say(text: str = "", *, indent: int | None = None) -> None:
    """Print lines at once, so that a log shows them while the run goes on.

    All output goes through here or through `say_aside`, because names of files and classes may hold control characters.

    Args:
        text: one line or several.
        indent: column where a line that is wrapped to the terminal goes on. By default finetune wraps none, so that
            commands can be copied.
    """
    text = escaped(text, LINES)
    if _logged.get():
        LOGGER.info(text)
    elif not _silenced:
        if indent is not None and sys.stdout.isatty():
            from rich.console import Console

            width = max(NARROW, Console().width)
            text = "\n".join(_wrapped(line, width, indent) for line in text.splitlines())
        print(text, flush=True)


def _wrapped(line: str, width: int, indent: int) -> str:
    """Return a line as several of at most `width` columns; words are not broken."""
    if len(line) <= width:
        return line
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def say_aside(text: str) -> None:
    """Print lines to stderr at once, for remarks beside the output."""
    if _logged.get():
        LOGGER.warning(escaped(text, LINES))
    else:
        print(escaped(text, LINES), file=sys.stderr, flush=True)


def show(table: Table) -> None:
    """Print a table, or send its lines to the logger `finetune` where lines are not to be printed."""
    from rich.console import Console

    console = _wide_console()
    if not _logged.get():
        terminal = Console().width
        if console.is_terminal and console.measure(table).maximum > terminal:
            _narrow(table)
            console.width = max(NARROW, terminal)
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    LOGGER.info(captured.get())


def _narrow(table: Table) -> None:
    """Let a table's cells and headers wrap at spaces, and take no more room between columns than needed."""
    table.padding = 0
    for column in table.columns:
        column.no_wrap = False
        column.overflow = "fold"


def _wide_console() -> Console:
    """Return a console wide enough for every table, whatever the terminal's width, so that no figure is cut."""
    from rich.console import Console

    # Names may look like markup or emoji codes. Without a height, rich takes a dumb terminal for one of 80 columns.
    return Console(width=max(WIDTH, Console().width), height=HEIGHT, markup=False, emoji=False)


def track(items: Iterable[Item], total: int, what: str, step: int = 1) -> Iterator[Item]:
    """Yield `items` and show the progress on stderr.

    Args:
        items: items of the work.
        total: total amount of work, in the shown unit.
        what: description in two or three words, such as `embedding images`.
        step: amount of work per item; the last item may have less.
    """
    if _silenced or _logged.get():
        yield from items
        return
    show = _bar if sys.stderr.isatty() else _lines
    yield from show(items, total, what, step)


def _bar(items: Iterable[Item], total: int, what: str, step: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # rich would print to stderr what is meant for a file or a pipe.
    to_screen = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=to_screen) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.update(task, completed=min(total, progress.tasks[0].completed + step))


def _lines(items: Iterable[Item], total: int, what: str, step: int) -> Iterator[Item]:
    """Print the progress and the remaining time, estimated without the first item, which includes a slow start."""
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
