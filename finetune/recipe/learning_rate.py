"""The learning rate of each epoch: a number, steps, exponential or cosine decay, or a schedule file.

Epochs count from 1 within a stage, as the published training loop counts them, and the rate is
constant within an epoch.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any

from finetune.recipe.checks import ABOVE_0, ABOVE_0_TO_1, FROM_0, Check, one_of, whole
from finetune.recipe.schedule_file import STOP, read_schedule
from finetune.recipe.section import Problem, Section, SectionError, build


class LearningRate(abc.ABC):
    """A stage's learning rate, epoch by epoch."""

    @abc.abstractmethod
    def rate(self, epoch: int, epochs: int) -> float | None:
        """The rate within one epoch.

        Args:
            epoch: from 1 to `epochs`.
            epochs: the stage's epochs.

        Returns:
            A rate above 0, or None where the schedule stops before this epoch.
        """

    @abc.abstractmethod
    def to_value(self) -> Any:
        """Return the learning rate as a recipe holds it."""

    def last_epoch(self, epochs: int) -> int:
        """Return the last of so many epochs that has a rate; fewer than `epochs` where the schedule stops earlier."""
        return epochs


@dataclasses.dataclass(frozen=True)
class Constant(LearningRate):
    """The same rate in every epoch."""

    value: float

    def rate(self, epoch: int, epochs: int) -> float | None:
        """The one rate."""
        return self.value

    def to_value(self) -> float:
        """A number."""
        return self.value


@dataclasses.dataclass(frozen=True)
class Steps(LearningRate):
    """`{epoch: rate}`: each rate holds from its epoch until the next one's; `-` stops training before its epoch.

    Attributes:
        rates: in ascending order of the epochs; None where training stops.
    """

    rates: Mapping[int, float | None]

    def rate(self, epoch: int, epochs: int) -> float | None:
        """Return the rate of the largest key that is not above the epoch, and None from the first stop on."""
        passed = [rate for first, rate in self.rates.items() if first <= epoch]
        return None if None in passed else passed[-1]

    def last_epoch(self, epochs: int) -> int:
        """Return the epoch before the first stop, or `epochs` where that comes first."""
        stops = [epoch for epoch, rate in self.rates.items() if rate is None]
        return min([epochs, *(stop - 1 for stop in stops)])

    def to_value(self) -> dict[int, float | str]:
        """Return `{epoch: rate}`."""
        return {epoch: STOP if rate is None else rate for epoch, rate in self.rates.items()}


@dataclasses.dataclass(frozen=True)
class Exponential(Section, LearningRate):
    """`{schedule: exponential, …}`: initial * decay^⌊(epoch - 1) / every⌋, as the published loop decays.

    Attributes:
        initial: the first epoch's rate.
        decay: the factor, above 0, at most 1.
        every: epochs between two steps.
    """

    initial: Annotated[float, ABOVE_0]
    decay: Annotated[float, ABOVE_0_TO_1]
    every: Annotated[int, whole(1)]

    def rate(self, epoch: int, epochs: int) -> float | None:
        """The decayed rate."""
        return self.initial * self.decay ** ((epoch - 1) // self.every)

    def to_value(self) -> dict[str, Any]:
        """`{schedule: exponential, …}`."""
        return {"schedule": "exponential", **super().to_value()}


@dataclasses.dataclass(frozen=True)
class Cosine(Section, LearningRate):
    """`{schedule: cosine, …}`: half a cosine from `initial` in epoch 1 toward `final` after the last.

    Loshchilov and Hutter, SGDR (2017), without restarts.
    """

    initial: Annotated[float, ABOVE_0]
    final: Annotated[float, FROM_0] = 0.0

    def rate(self, epoch: int, epochs: int) -> float | None:
        """The annealed rate; `final` itself would only come in epoch `epochs` + 1."""
        remaining = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        return self.final + (self.initial - self.final) * remaining

    def to_value(self) -> dict[str, Any]:
        """`{schedule: cosine, …}`."""
        return {"schedule": "cosine", **super().to_value()}


@dataclasses.dataclass(frozen=True)
class _ScheduleFile(Section):
    """`{file: …}`: a schedule file in the published form, of which a recipe keeps the steps."""

    file: Annotated[Mapping[int, float | None], Check("the path of a schedule file", read_schedule)]


SCHEDULES: dict[str, type[Exponential] | type[Cosine]] = {"exponential": Exponential, "cosine": Cosine}


_STEP = Check(f"a number above 0, or '{STOP}' to stop", lambda rate: rate if rate == STOP else ABOVE_0.read(rate))


def _read(value: object) -> LearningRate | None:
    if isinstance(value, LearningRate):
        return value
    if not isinstance(value, Mapping):
        return Constant(ABOVE_0(value))
    if "schedule" in value:
        return _scheduled(value)
    if "file" in value:
        return Steps(build(_ScheduleFile, value).file)
    if value and all(isinstance(key, int) and not isinstance(key, bool) for key in value):
        return _steps(value)
    found = f"the keys {', '.join(map(repr, value))}" if value else "no keys"
    raise ValueError(f"found {found}; give {LEARNING_RATE.wants}")


LEARNING_RATE = Check("a number above 0, {epoch: rate} steps, {schedule: exponential or cosine, …} or {file: …}", _read)


def _scheduled(value: Mapping[Any, object]) -> LearningRate:
    parts = dict(value)
    try:
        kind = SCHEDULES[one_of(SCHEDULES)(parts.pop("schedule"))]
    except ValueError as error:
        raise SectionError("", [Problem(("schedule",), str(error))], None) from None
    return build(kind, parts)


def _steps(value: Mapping[int, object]) -> Steps:
    problems: list[Problem] = []
    for epoch, rate in value.items():
        for check, part, what in ((whole(0), epoch, "the epoch: "), (_STEP, rate, "")):
            try:
                check(part)
            except ValueError as error:
                problems.append(Problem((epoch,), f"{what}{error}"))
    if min(value) > 1:
        problems.append(Problem((), f"the first step is epoch {min(value)}; give a rate for epoch 1, or 0, too"))
    if any(rate == STOP for epoch, rate in value.items() if epoch <= 1):
        problems.append(Problem((), "stops before epoch 1, so that nothing would train; give epoch 1 a rate"))
    if problems:
        raise SectionError("", problems, None)
    return Steps({epoch: None if value[epoch] == STOP else ABOVE_0(value[epoch]) for epoch in sorted(value)})
