"""List or clear finetune's caches: features, aligned photos, classifiers, graphs, unpacked archives, sets of pairs."""

from __future__ import annotations

import argparse

from finetune import files
from finetune.paths import CACHES, cache_entries, cache_folder, in_one_line
from finetune.progress import say
from finetune.words import counted

EXAMPLES = (
    "finetune cache",
    "finetune cache --clear features",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option to clear caches."""
    parser.add_argument(
        "--clear",
        nargs="*",
        choices=CACHES,
        metavar="NAME",
        help=f"clear all caches, or only these: {', '.join(CACHES[:-1])} or {CACHES[-1]}; cleared entries are computed "
        "again when needed",
    )


def run(options: argparse.Namespace) -> None:
    """Clear the given caches, and print one line per cache."""
    cleared = CACHES if options.clear == [] else options.clear or ()
    for name in CACHES:
        entries = cache_entries(name)
        size = sum(file.lstat().st_size for entry in entries for file in (entry, *entry.rglob("*")) if file.is_file())
        kept = f"{in_one_line(cache_folder(name))}: {counted(len(entries), 'entry')}, {size / 2**20:,.1f} MiB"
        if name in cleared:
            for entry in entries:
                files.remove(entry)
        say(f"{kept}, removed" if name in cleared and entries else kept)
