"""State of the files that photos were enrolled from: unchanged, changed or gone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from finetune import files
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos
from finetune.progress import track

State = Literal["there", "gone", "changed", "unknown"]


def on_disk(gallery: Gallery) -> list[State]:
    """Check the file of each enrolled photo, and its content.

    Returns:
        One state per photo. "there": the file is unchanged. "gone": it is missing or can't be read. "changed": it has
        other content. "unknown": its path was not stored.
    """
    return states_of(gallery.photos)


def states_of(photos: Photos) -> list[State]:
    """Check the file of each photo, as `on_disk` does."""
    paths, originals = photos.paths.tolist(), photos.originals
    with ThreadPoolExecutor() as pool:
        states = pool.map(_state, paths, (bytes(digest).hex() for digest in originals))
        return list(track(states, len(paths), "looking for photos"))


def _state(path: bytes, digest: str) -> State:
    if not path:
        return "unknown"
    place = Path(os.fsdecode(path))
    try:
        if not place.is_file():
            return "gone"
        return "there" if files.sha256(place) == digest else "changed"
    except OSError:
        return "gone"
