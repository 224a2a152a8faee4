"""Figures of perturbed pairs, as tables on the terminal and as a picture of curves."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune import files
from finetune.verification import Curve, Level, Robustness

COLUMNS = 4
ACCURACY, FIXED, GREY = "#1b6ca8", "#c2571a", "#777777"
DOTS = 110


def curve_table(curve: Curve, robustness: Robustness) -> Table:
    """Make the table of one perturbation, which begins with the pairs as they are."""
    one, clean = curve.perturbation, robustness.clean
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=f"{one.name}: {one.unit}")
    table.caption_justify = "left"
    for name in (one.name, "accuracy", "difference (95 %)", "at the clean threshold", "VAL"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("clean", f"{clean.accuracy:.4f}", "", "", f"{clean.val:.4f}")
    for level in curve.levels:
        d = level.difference
        table.add_row(
            f"{level.level:g}",
            f"{level.result.accuracy:.4f}",
            f"{d.accuracy:+.4f} ({d.low:+.4f} to {d.high:+.4f})",
            f"{level.at_clean_threshold:.4f}",
            f"{level.result.val:.4f}",
        )
    return table


def write_picture(path: Path, robustness: Robustness) -> None:
    """Draw the curves of all perturbations side by side, and write them as PNG.

    Raises:
        RunError: the file can't be written.
    """
    curves = robustness.curves
    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure((3.1 * columns, 2.7 * rows + 0.4), layout="constrained", facecolor="white")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, curve in zip(panels.flat, curves, strict=False):
            _draw(axes, curve, robustness)
        for axes in panels.flat[len(curves) :]:
            axes.set_visible(False)
        for row in panels:
            row[0].set_ylabel("accuracy")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DOTS, metadata={"Software": None})
    files.write(path, lambda file: file.write(picture.getvalue()))


def _draw(axes: Axes, curve: Curve, robustness: Robustness) -> None:
    """Draw one perturbation: levels at equal distances, with the interval of each accuracy's difference."""
    clean = robustness.clean.accuracy
    neutral, levels = curve.perturbation.neutral, list(curve.levels)
    place = sum(level.level < neutral for level in levels) if neutral is not None else 0
    values = np.array([_values(level, clean) for level in levels])  # [levels, 4]
    accuracy, fixed, low, high = np.insert(values, place, clean, axis=0).T
    x = np.arange(len(levels) + 1)
    axes.axhline(clean, color=GREY, linewidth=1, linestyle=":", label="clean")
    axes.fill_between(x, low, high, color=ACCURACY, alpha=0.16, linewidth=0)
    axes.plot(x, accuracy, color=ACCURACY, marker="o", markersize=4, label="thresholds chosen anew")
    axes.plot(x, fixed, color=FIXED, marker="s", markersize=4, linestyle="--", label="at the clean threshold")
    names = [f"{level.level:g}" for level in levels]
    axes.set_xticks(x, [*names[:place], "clean" if neutral is None else f"{neutral:g}", *names[place:]])
    axes.set_title(curve.perturbation.name, loc="left", fontsize=10)
    axes.set_xlabel(curve.perturbation.unit)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)


def _values(level: Level, clean: float) -> tuple[float, float, float, float]:
    """Return the accuracy, that at the clean threshold, and the interval around the former, that of its difference."""
    difference = level.difference
    return level.result.accuracy, level.at_clean_threshold, clean + difference.low, clean + difference.high
