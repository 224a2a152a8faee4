"""Answers for the files of a folder as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from finetune.errors import DataError
from finetune.gallery.identification import Identification
from finetune.gallery.watched_folder import WatchedFolder, WatchJournal

Answer = Callable[[Path], Sequence[Identification]]


def watch(
    folder: WatchedFolder,
    answer: Answer,
    stop: threading.Event,
    *,
    interval: float = 1.0,
    journal: WatchJournal | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one record for each file of a folder, as the files come, until `stop` is set.

    A file counts as answered when the next record is asked for.

    Args:
        folder: folder to watch.
        answer: function from a file to the answers for its faces.
        stop: event that ends the watch after the file in work.
        interval: seconds between two looks.
        journal: journal that notes the answered files.

    Yields:
        `{"path": …, "faces": [{"name", "nearest", "score", "box"}, …]}`, or `{"path": …, "problem": …}` for a file
        without a usable face. `box` is left, top, right, bottom in pixels, or None for an aligned face.

    Raises:
        DataError: the folder is gone.
        RunError: the journal can't be written.
    """
    while not stop.is_set():
        for name in folder.look():
            if stop.is_set():
                return
            version = folder.version(name)
            yield _record(folder.folder / name, answer)
            folder.answered[name] = version
            if journal is not None:
                journal.note(name, version)
        stop.wait(interval)


def _record(path: Path, answer: Answer) -> dict[str, Any]:
    """Return the record of one file; a file that has gone or can't be used has a problem."""
    try:
        found = answer(path)
    except DataError as error:
        return {"path": str(path), "problem": "; ".join(map(str, error.problems))}
    faces = [
        {"name": one.name, "nearest": one.best, "score": one.score, "box": one.face.box}
        for one in found
        if one.score is not None
    ]
    problems = [one.face.problem for one in found if one.score is None]
    return {"path": str(path), "faces": faces} if faces else {"path": str(path), "problem": "; ".join(problems)}
