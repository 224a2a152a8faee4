"""Schedule files in the published form: a line for each step, `epoch: rate`, with `#` comments.

The rate `-`, or one that is not above 0, stops training before that epoch. Departing from the
published reader, the last line holds from its epoch on, where that one finds no rate at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from finetune import files
from finetune.paths import find_file
from finetune.recipe.checks import PATH
from finetune.recipe.section import Problem, SectionError

STOP = "-"
"""In place of a rate: training stops before this epoch."""


def read_schedule(value: object) -> dict[int, float | None]:
    """Read the rates at a path, or those of that name among the files that come with finetune.

    Returns:
        The rates by their first epoch, in ascending order; None where training stops.

    Raises:
        ValueError: there is no such file, or it isn't text.
        SectionError: its lines can't be used; every problem, with file and line.
    """
    path: Path = PATH(value)
    found = find_file(path)
    try:
        lines = files.read(found, files.SMALL).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file; give a file of `epoch: rate` lines") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror}); give a file of `epoch: rate` lines") from None
    rates: dict[int, float | None] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        if not (text := line.split("#", 1)[0].strip()):
            continue
        try:
            epoch, rate = _step(text)
            if rates and epoch <= max(rates):
                raise ValueError(f"epoch {epoch} comes after epoch {max(rates)}; put the epochs in ascending order")
            rates[epoch] = rate
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
    if not problems:
        problems = [f"{path}: {problem}" for problem in _unusable(rates)]
    if problems:
        raise SectionError("", [Problem((), problem) for problem in problems], None)
    return rates


def _step(text: str) -> tuple[int, float | None]:
    """The epoch and rate of a line without its comment.

    Raises:
        ValueError: the line is not `epoch: rate`.
    """
    epoch, _, rate = (part.strip() for part in text.partition(":"))
    try:
        value = 0.0 if rate == STOP else float(rate)
    except ValueError:
        value = math.nan
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 10 and math.isfinite(value)):
        raise ValueError(f"found {text!r}; write a whole epoch from 0 and a rate, such as '100: 0.005', or '100: -'")
    return int(epoch), value if value > 0 else None


def _unusable(rates: Mapping[int, float | None]) -> list[str]:
    at_first = [rate for epoch, rate in rates.items() if epoch <= 1]
    if not at_first:
        return ["no rate for epoch 1; begin with a line such as '0: 0.05'"]
    return ["stops before epoch 1, so that nothing would train"] if None in at_first else []
