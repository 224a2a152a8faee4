"""Picture of an identification: CMC, DET and ROC curves with their 95 % intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from finetune import files
from finetune.identification import CMC, ErrorCurve

SIZE = (4.2, 3.6)
"""Size of each chart, in inches."""
COLOUR, BAND = "#1b6ca8", 0.2


def write_curves(path: Path, cmc: CMC | None, curve: ErrorCurve | None) -> None:
    """Write the charts side by side, as a file of the kind that the suffix names: `.svg`, `.png` or `.pdf`.

    Args:
        path: file to write.
        cmc: closed-set rates; None leaves their chart out.
        curve: FPIR and FNIR; None leaves the DET and the ROC curve out.

    Raises:
        RunError: the file can't be written.
    """
    figure = Figure((SIZE[0] * ((cmc is not None) + 2 * (curve is not None)), SIZE[1]), layout="constrained")
    count = (cmc is not None) + 2 * (curve is not None)
    places = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    if cmc is not None:
        _draw_cmc(places.pop(0), cmc)
    if curve is not None:
        _draw_det(places[0], curve)
        _draw_roc(places[1], curve)
    # Without the date, the same figures give the same bytes.
    metadata = {"Date": None} if path.suffix == ".svg" else None
    files.write(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=144, metadata=metadata))


def _draw_cmc(axes: Axes, cmc: CMC) -> None:
    ranks = np.arange(1, len(cmc.rates) + 1)
    _draw(axes, ranks, cmc.rates, cmc.intervals)
    axes.set(title="CMC", xlabel="rank", ylabel="identification rate")
    axes.set_xlim(1, max(2, len(ranks)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_det(axes: Axes, curve: ErrorCurve) -> None:
    """Draw FNIR over FPIR on logarithmic axes, from one in all images."""
    least = 0.5 / curve.n_genuine  # in place of 0, which the axis lacks
    _draw(axes, curve.positives, np.maximum(curve.negatives, least), np.maximum(curve.negative_intervals, least))
    axes.set(title="DET", xlabel="FPIR", ylabel="FNIR", yscale="log", ylim=(least, 1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    _logarithmic(axes, curve)


def _draw_roc(axes: Axes, curve: ErrorCurve) -> None:
    _draw(axes, curve.positives, 1 - curve.negatives, 1 - curve.negative_intervals[:, ::-1])
    axes.set(title="ROC", xlabel="FPIR", ylabel="TPIR (1 - FNIR)", ylim=(0, 1.02))
    _logarithmic(axes, curve)


def _draw(axes: Axes, x: np.ndarray, y: np.ndarray, intervals: np.ndarray) -> None:
    """Draw a curve with its interval, as steps: rates are those of whole images."""
    axes.plot(x, y, color=COLOUR, drawstyle="steps-post", linewidth=1.8)
    axes.fill_between(x, intervals[:, 0], intervals[:, 1], step="post", color=COLOUR, alpha=BAND, linewidth=0)
    axes.grid(alpha=0.35, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _logarithmic(axes: Axes, curve: ErrorCurve) -> None:
    axes.set(xscale="log", xlim=(1 / curve.n_impostors, 1))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
