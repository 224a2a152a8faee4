"""Schedule files in the published form: one line `epoch: rate` per step, with `#` comments.

The rate `-`, or a rate that is not above 0, stops training before that epoch. Unlike in the published reader, which
finds no rate there, the last line holds from its epoch on.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from finetune import files
from finetune.paths import find_file
from finetune.schema import AnyPath, Fault, Section, Unread, Wants, read

STOP = "-"
"""Mark in place of a rate: training stops before this epoch."""


def _read_file(value: object) -> Any:
    """Return the rates in a file by their first epoch, in ascending order, or an `Unread`; None stops training."""
    if not (path := read(value, AnyPath)):
        return path
    try:
        lines = files.read(find_file(path), files.SMALL).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return Unread(Fault((), f"{path} is not a text file", "give a file of `epoch: rate` lines"))
    except OSError as error:
        return Unread(Fault((), f"{path} can't be read ({error.strerror})", "give a file of `epoch: rate` lines"))
    rates: dict[int, float | None] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        if text := line.partition("#")[0].strip():
            epoch, _, rate = (part.strip() for part in text.partition(":"))
            value = 0.0 if rate == STOP else _number(rate)
            if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 10 and math.isfinite(value)):
                advice = "write a whole epoch from 0 and a rate, such as '100: 0.005', or '100: -'"
                bad.append(Fault((), f"{path}:{number}: found {text!r}", advice))
            elif rates and int(epoch) <= max(rates):
                found = f"{path}:{number}: epoch {int(epoch)} comes after epoch {max(rates)}"
                bad.append(Fault((), found, "put the epochs in ascending order"))
            else:
                rates[int(epoch)] = value if value > 0 else None
    first = [rate for epoch, rate in rates.items() if epoch <= 1]
    if not first and not bad:
        bad.append(Fault((), f"{path}: no rate for epoch 1", "begin with a line such as '0: 0.05'"))
    if None in first and not bad:
        bad.append(Fault((), f"{path}: stops before epoch 1, so that nothing would train"))
    return Unread(*bad) if bad else rates


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


class ScheduleFile(Section):
    """Schedule file in the published form. The recipe keeps its steps."""

    file: Annotated[
        dict[int, float | None],
        PlainValidator(_read_file, Annotated[str, Field(min_length=1)]),
        Wants("the path of a schedule file"),
    ]
    """Path of a file with one line `epoch: rate` per step. Those that come with finetune are at `data/…`."""
