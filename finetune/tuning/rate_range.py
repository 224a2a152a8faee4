"""Learning-rate range test: the loss of a stage while its rate rises from step to step.

The test is that of Smith (2017, "Cyclical learning rates for training neural networks"), with a rate that rises
exponentially. Each step is an epoch of one batch, so that the training loop is the usual one.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from finetune import files
from finetune.cells import csv_text
from finetune.errors import Problem, UserError
from finetune.progress import printing, say
from finetune.recipe import Recipe, Stage
from finetune.runs import Inputs, Rehearsal, without_pairs, without_validation
from finetune.training import EpochRow, StageFailed
from finetune.words import listed

Numbers = npt.NDArray[np.float64]
SMOOTHING = 0.03
"""Standard deviation of the Gaussian that smooths the losses, as a share of the steps."""
BELOW_LOWEST = 0.1
"""Suggested rate, as a share of the rate at which the smoothed loss is lowest."""
FALLS = 0.02
"""Least fall of the smoothed loss, as a share of the first, below which no rate is suggested."""
LEAST_STEPS = 20
SIZE = (6.0, 3.8)
"""Size of the picture in inches."""
COLOUR, FAINT = "#1b6ca8", "#9aa5b1"


@dataclasses.dataclass(frozen=True, eq=False)
class RateRange:
    """Losses of a range test.

    Attributes:
        stage: name of the stage.
        rates: learning rate of each step, float64 [n], rising.
        losses: training loss of each step before its update, float64 [n].
    """

    stage: str
    rates: Numbers
    losses: Numbers

    @property
    def smoothed(self) -> Numbers:
        """Losses smoothed by a Gaussian around each step, float64 [n]. A moving average of the past would lag."""
        found: Numbers = gaussian_filter1d(self.losses, SMOOTHING * len(self.losses), mode="nearest")
        return found

    @property
    def lowest(self) -> int:
        """Step at which the smoothed loss is lowest, from 0."""
        return int(np.argmin(self.smoothed))

    @property
    def steepest(self) -> int:
        """Step before the lowest at which the smoothed loss falls fastest over the logarithm of the rate, from 0."""
        return int(np.argmin(np.gradient(self.smoothed)[: max(1, self.lowest)]))

    @property
    def suggested(self) -> float | None:
        """A tenth of the rate at which the smoothed loss is lowest; None if the loss does not fall."""
        falls = self.smoothed[self.lowest] < (1 - FALLS) * self.smoothed[0]
        return float(BELOW_LOWEST * self.rates[self.lowest]) if falls else None

    def __str__(self) -> str:
        if self.suggested is None:
            return f"stage {self.stage!r}: the loss does not fall in this range; give another range, or more --steps"
        lowest, steepest = self.rates[self.lowest], self.rates[self.steepest]
        still = "; it still falls at the end: give a higher range" if self.lowest == len(self.rates) - 1 else ""
        return (
            f"stage {self.stage!r}: suggested learning_rate {self.suggested:.2g}, a tenth of the rate with the lowest "
            f"loss ({lowest:.2g}); the loss falls fastest at {steepest:.2g}{still}"
        )


def find_rate_range(recipe: Recipe, low: float, high: float, *, stage: str = "", steps: int = 100) -> RateRange:
    """Train a stage while its learning rate rises, and keep nothing of it.

    Stages before it are trained as the recipe says. The test ends early if the loss is no longer finite.

    Args:
        recipe: recipe with the stage.
        low, high: learning rates of the first and of the last step, above 0.
        stage: name of the stage; by default the first one.
        steps: number of steps, from 20.

    Raises:
        UserError: an input can't be used, or there is no such stage.
        RunError: an image can no longer be read.
    """
    index = _index(recipe, stage)
    dropped = {"lfw": None, "measure": None, "verification": None}
    bare = recipe.model_copy(update={**dropped, "stages": _ungated(recipe)})
    inputs = without_pairs(Inputs.open(bare))
    rates = np.geomspace(low, high, steps)
    rows: list[EpochRow] = []
    # A second view of an image would be computed for a few steps only.
    augment = bare.augment.model_copy(update={"views": 1} if bare.augment.draws else {})
    probe = bare.model_copy(update={"augment": augment, "stages": (_rising(bare.stages[index], rates),)})
    earlier = bare.model_copy(update={"stages": bare.stages[:index]})
    say(f"stage {bare.stages[index].name!r}: {steps} steps, learning rate {low:g} to {high:g}")
    with (
        Rehearsal(inputs).run(earlier),
        contextlib.suppress(StageFailed),
        printing(wanted=False),
        Rehearsal(without_validation(inputs)).run(probe, rows.append),
    ):
        pass
    losses = [row.numbers["loss"] for row in rows]
    if len(rows) < LEAST_STEPS:
        found = f"the loss is no longer finite after {len(rows)} of {steps} steps"
        raise UserError(Problem("--learning-rate-range", found, "give lower rates"))
    return RateRange(bare.stages[index].name, rates[: len(rows)], np.array(losses))


def write_rate_range(folder: Path, found: RateRange) -> tuple[Path, Path]:
    """Write the table and the picture of a range test, and return their paths.

    Raises:
        RunError: the disk is full.
    """
    table, picture = folder / "learning_rate_range.csv", folder / "learning_rate_range.png"
    rows = zip(found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist(), strict=True)
    files.write_text(table, csv_text([("learning_rate", "loss", "smoothed_loss"), *rows]))
    figure = Figure(SIZE, layout="constrained", facecolor="white")
    _draw(figure.add_subplot(), found)
    files.write(picture, lambda file: figure.savefig(file, format="png", dpi=144, metadata={"Software": None}))
    return table, picture


def _index(recipe: Recipe, name: str) -> int:
    """Return the place of a stage in the recipe, by its name or its folder's name."""
    if not name:
        return 0
    places = [index for index, stage in enumerate(recipe.stages) if name in (stage.name, stage.slug)]
    if not places:
        stages = listed([repr(stage.name) for stage in recipe.stages], "and")
        raise UserError(Problem("--stage", f"no stage is named {name!r}", f"the stages are {stages}"))
    return places[0]


def _ungated(recipe: Recipe) -> tuple[Stage, ...]:
    """Return the stages without their gates, because no pairs are measured."""
    return tuple(stage.model_copy(update={"accept": None}) for stage in recipe.stages)


def _rising(stage: Stage, rates: Numbers) -> Stage:
    """Return a stage whose epochs are single steps, each with the next rate."""
    changes = {
        "epochs": len(rates),
        "steps_per_epoch": 1,
        "learning_rate": dict(enumerate(rates.tolist(), start=1)),
        "warmup_epochs": 0.0,
        "early_stopping": None,
    }
    return stage.model_copy(update=changes)


def _draw(axes: Axes, found: RateRange) -> None:
    """Draw the loss over the rate. Losses far above the first are cut off."""
    axes.plot(found.rates, found.losses, color=FAINT, linewidth=0.8, label="loss of a step")
    axes.plot(found.rates, found.smoothed, color=COLOUR, linewidth=1.8, label="smoothed")
    if found.suggested is not None:
        axes.axvline(
            found.suggested, color=COLOUR, linewidth=1, linestyle="--", label=f"suggested {found.suggested:.2g}"
        )
    low, first = float(found.losses.min()), float(found.smoothed[0])
    top = min(float(found.losses.max()), first + 0.5 * (first - low) + 0.1 * abs(first))
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title=f"stage {found.stage!r}")
    axes.set_ylim(low - 0.05 * (top - low), top)
    axes.grid(alpha=0.35, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
