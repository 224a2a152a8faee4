"""Runs of an export by its own runtime, in a fresh process that shares nothing with this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from finetune.errors import ExportFailed, Problem, UserError
from finetune.export import reload
from finetune.export.formats import Format
from finetune.progress import track


class Answer(NamedTuple):
    """Outputs of an export.

    Attributes:
        outputs: values by name, float32 [n, ...].
        runtime: name and version of the runtime.
        seconds: duration, without loading.
    """

    outputs: dict[str, np.ndarray]
    runtime: str
    seconds: float


def interpreter(format: Format) -> str:
    """Return the path of the Python that loads a format.

    Raises:
        UserError: the Python that the environment variable names can't be run.
    """
    python = os.environ.get(format.python) if format.python else None
    if not python:
        return sys.executable
    if shutil.which(python) is None:
        raise UserError(
            Problem(format.python, f"found {python!r}, which can't be run", "name a Python with its runtime")
        )
    return python


def is_outside(format: Format) -> bool:
    """Return whether another program than finetune loads a format: whether there is one, and it is installed."""
    here = not (format.python and os.environ.get(format.python))  # a Python that is named must have the program
    missing = here and any(find_spec(module) is None for module in format.proof)
    return format.reader != "finetune" and not missing


def answer(format: Format, folder: Path, pixels: np.ndarray, scratch: Path, what: str, *, flip: bool = False) -> Answer:
    """Run an export on pixels.

    Args:
        format: format of the export.
        folder: folder of the export.
        pixels: images, uint8 [n, s, s, c]; the array may be a memory-mapped file.
        scratch: folder for the files that the processes exchange.
        what: two or three words for the progress.
        flip: True to append the outputs for the mirror images to those for the images.

    Raises:
        ExportFailed: the export can't be loaded, or fails.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        source, target = Path(place) / "pixels.npy", Path(place) / "outputs.npz"
        np.save(source, pixels)
        command = [
            interpreter(format),
            "-I",
            reload.__file__,
            format.reader or format.name,
            str(folder),
            str(source),
            str(target),
        ]
        # TensorFlow 2 sets TF2_BEHAVIOR, which changes how TensorFlow 1 behaves. GPUs round differently.
        environment = {key: value for key, value in os.environ.items() if key != "TF2_BEHAVIOR"}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            with subprocess.Popen(
                [*command, *(["flip"] if flip else [])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            ) as process:
                assert process.stdout is not None
                said = _last_line(process.stdout, len(pixels), what)
            if process.returncode or not said.startswith("{"):
                errors.seek(0)
                lines = [line.strip() for line in errors if line.strip()]
                reason = lines[-1] if lines else f"exit status {process.returncode}"
                raise ExportFailed(Problem("", f"it can't be run by {command[0]} ({reason})"))
        with np.load(target, allow_pickle=False) as stored:
            outputs = {key: stored[key] for key in stored.files}
    return Answer(outputs, **json.loads(said))


def _last_line(lines: IO[str], total: int, what: str) -> str:
    """Return the last line of the process, and show its batches as progress meanwhile."""
    last = ""

    def batches() -> Iterator[None]:
        nonlocal last
        for line in lines:
            last = line.strip()
            if last.isdigit():
                yield

    for _ in track(batches(), total, what, reload.BATCH_SIZE):
        pass
    return last
