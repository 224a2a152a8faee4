"""Files written whole or not at all: beside, under another name, and renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from finetune.errors import RunError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write(path: Path, fill: Callable[[BinaryIO], object], *, sync: bool = True) -> None:
    """Writes a file; `fill` gets it open. A failure leaves what stood there before.

    Args:
        sync: wait until the disk has it, so that even a power failure leaves it whole; of many small files, each
            takes some milliseconds.

    Raises:
        RunError: it can't be written: a full disk, a folder that may not be written to.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            fill(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        advice = "make room" if error.errno in NO_ROOM else "choose another place"
        raise RunError(
            f"{path}: can't be written ({error.strerror or error}); what stood there before is whole: {advice}"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text."""
    write(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Writes JSON, indented."""
    write_text(path, json.dumps(value, indent=1) + "\n")
