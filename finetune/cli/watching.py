"""The option `--watch` of `finetune identify`: one JSON line per file of a folder, as the files come."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.values import new_file, number, path
from finetune.errors import Problem
from finetune.paths import in_one_line
from finetune.progress import say, say_aside

if TYPE_CHECKING:
    from finetune.gallery import Identification

ALONE = ("labelled", "faces", "json", "curves", "csv", "draw")
NEEDING = ("interval", "journal", "new_only")


def add_watching(parser: argparse.ArgumentParser) -> None:
    """Add `--watch` and its settings."""
    parser.add_argument(
        "--watch",
        metavar="FOLDER",
        help="instead of PHOTOS: identify the photos of this folder, then each new one as it comes; one JSON line per "
        "photo, until Ctrl-C or SIGTERM",
    )
    parser.add_argument(
        "--interval", type=_seconds, metavar="SECONDS", help="time between two looks at FOLDER (default: 1)"
    )
    parser.add_argument(
        "--journal", metavar="FILE", help="note the answered files here, so that a restart answers none of them again"
    )
    parser.add_argument("--new-only", action="store_true", help="skip the photos that are in FOLDER at the start")


def watching_problems(options: argparse.Namespace) -> list[Problem]:
    """Return what is wrong with the options of `--watch`."""

    def flag(name: str) -> str:
        return f"--{name.replace('_', '-')}"

    given = [name for name in (*ALONE, *NEEDING) if getattr(options, name)]
    if options.watch is None:
        nothing = [] if options.photos else [Problem("PHOTOS", "not given", "give photos, or --watch FOLDER")]
        needing = [name for name in given if name in NEEDING]
        return nothing + [Problem(flag(name), "given without --watch", "give both") for name in needing]
    problems = [Problem(flag(name), "given with --watch", "leave one out") for name in given if name in ALONE]
    if options.photos:
        problems.append(Problem(options.photos[0], "given with --watch FOLDER", "leave one out"))
    if not path(options.watch).is_dir():
        problems.append(Problem(in_one_line(path(options.watch)), "not a folder", "give --watch a folder"))
    return problems


def watch_folder(options: argparse.Namespace, answer: Callable[[Path], Sequence[Identification]]) -> None:
    """Print one JSON line per file until a signal comes."""
    from finetune.gallery import WatchedFolder, open_journal, watch
    from finetune.interruption import asked_to_stop

    folder = path(options.watch)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(open_journal(new_file(options.journal), folder)) if options.journal else None
        watched = WatchedFolder(folder, journal.answered if journal else None)
        if options.new_only:
            watched.skip_all()
        stop = stack.enter_context(asked_to_stop())
        say_aside(f"watching {in_one_line(folder)}; Ctrl-C ends it")
        for record in watch(watched, answer, stop, interval=options.interval or 1.0, journal=journal):
            say(json.dumps(record))


def _seconds(text: str) -> float:
    return number(text, lambda value: 0 < value <= 3600, "seconds above 0, up to 3600")
