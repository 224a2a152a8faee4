"""Learning rate of each epoch: a number, steps, exponential or cosine decay, or a schedule file.

Epochs count from 1 within a stage, as in the published training loop. The rate is constant within an epoch.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema

from finetune.schema import (
    Above0,
    Above0To1,
    Fault,
    From0,
    From1,
    Range,
    Section,
    Unread,
    Wants,
    faults,
    read,
    read_kind,
    tagged,
)
from finetune.training.optimization.schedule_file import STOP, ScheduleFile


class LearningRate(abc.ABC):
    """Learning rate of a stage, epoch by epoch."""

    @abc.abstractmethod
    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the rate of an epoch, above 0, or None if the schedule stops before it.

        Args:
            epoch: number of the epoch, from 1 to `epochs`.
            epochs: number of epochs of the stage.
        """

    @abc.abstractmethod
    def to_value(self) -> Any:
        """Return the learning rate in a recipe's form."""

    def last_epoch(self, epochs: int) -> int:
        """Return the last epoch that has a rate; below `epochs` if the schedule stops earlier."""
        return epochs


@dataclass(frozen=True)
class Constant(LearningRate):
    """Learning rate that is the same in every epoch."""

    value: float

    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the constant rate."""
        return self.value

    def to_value(self) -> float:
        """Return the rate as a number."""
        return self.value


@dataclass(frozen=True)
class Steps(LearningRate):
    """Rates by their first epoch, in ascending order. None stops training before its epoch."""

    rates: Mapping[int, float | None]

    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the rate of the largest key that is not above the epoch, or None from the first stop on."""
        passed = [rate for first, rate in self.rates.items() if first <= epoch]
        return None if None in passed else passed[-1]

    def last_epoch(self, epochs: int) -> int:
        """Return the epoch before the first stop, or `epochs` if that is earlier."""
        return min([epochs, *(epoch - 1 for epoch, rate in self.rates.items() if rate is None)])

    def to_value(self) -> dict[int, float | str]:
        """Return the steps as `{epoch: rate}`."""
        return {epoch: STOP if rate is None else rate for epoch, rate in self.rates.items()}


class Exponential(Section, LearningRate):
    """Exponential decay: initial * decay^⌊(epoch - 1) / every⌋, as in the published loop."""

    schedule: Literal["exponential"] = "exponential"
    initial: Above0
    """Rate of the first epoch, above 0."""
    decay: Above0To1
    """Factor of each step, above 0, at most 1."""
    every: From1
    """Number of epochs between two steps, from 1."""

    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the decayed rate."""
        return self.initial * self.decay ** ((epoch - 1) // self.every)


class Cosine(Section, LearningRate):
    """Half a cosine from `initial` in epoch 1 to `final` after the last epoch (Loshchilov and Hutter 2017, "SGDR")."""

    schedule: Literal["cosine"] = "cosine"
    initial: Above0
    """Rate of the first epoch, above 0."""
    final: From0 = 0.0
    """Final rate, from 0. The last epoch stays above it: only the epoch after the last would have it."""

    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the annealed rate."""
        remaining = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        return self.final + (self.initial - self.final) * remaining


_STEP = Annotated[float, Range(gt=0), Wants(f"a number above 0, or '{STOP}' to stop")]
_STEPS_FORM = {
    "type": "object",
    "description": "Rates by their first epoch; `-` stops training before its epoch.",
    "minProperties": 1,
    "patternProperties": {"^[0-9]+$": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": STOP}]}},
    "additionalProperties": False,
    "examples": [{"0": 0.01, "6": 0.001}],
}
_STEPS = Annotated[dict[int, Any], WithJsonSchema(_STEPS_FORM)]
_FORM = Above0 | _STEPS | tagged(Exponential) | tagged(Cosine) | ScheduleFile
WANTS = Wants("a number above 0, {epoch: rate} steps, {schedule: exponential or cosine, …} or {file: …}")


def _read(value: object) -> Any:
    if isinstance(value, LearningRate):
        return value
    if not isinstance(value, Mapping):
        rate = read(value, Above0)
        return Constant(rate) if rate else rate
    if "schedule" in value:
        return read_kind({"exponential": Exponential, "cosine": Cosine}, value, "schedule")
    if "file" in value:
        file = ScheduleFile.read(value)
        return file if file.faults else Steps(file.file)
    if value and all(isinstance(key, int) and not isinstance(key, bool) for key in value):
        return _steps(value)
    found = f"found the keys {', '.join(map(repr, value))}" if value else "found no keys"
    return Unread(Fault((), found, f"give {WANTS}"))


def _steps(given: Mapping[int, object]) -> Steps | Unread:
    rates: dict[int, float | None] = {}
    bad: list[Fault] = []
    for epoch in sorted(given):
        rates[epoch] = None if given[epoch] == STOP else read(given[epoch], _STEP)
        bad += faults(rates[epoch], epoch)
        if epoch < 0:
            bad.append(Fault((epoch,), f"the epoch: found {epoch}", "give a whole number from 0"))
    if min(rates) > 1:
        bad.append(Fault((), f"the first step is epoch {min(rates)}", "give a rate for epoch 1, or 0, too"))
    if any(rate is None for epoch, rate in rates.items() if epoch <= 1):
        bad.append(Fault((), "stops before epoch 1, so that nothing would train", "give epoch 1 a rate"))
    return Unread(*bad) if bad else Steps(rates)


AnyRate = Annotated[LearningRate, PlainValidator(_read, _FORM), WANTS]
