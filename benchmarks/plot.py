"""Plot of the timings: one panel per suite, one bar per case, one dot per timing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import Result


def plot(path: Path, results: Sequence[Result]) -> bool:
    """Write a PNG. Return False if matplotlib is missing or there is nothing to show."""
    shown = [result for result in results if result.timings]
    if not shown or find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [len(result.timings) + 1.5 for result in shown]
    figure = Figure(figsize=(11, 0.3 * sum(heights) + 1), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, result in zip(panels, shown, strict=True):
        names = list(result.timings)
        panel.barh(names, [statistics.median(values) for values in result.timings.values()], color="#9db7d5")
        for name, values in result.timings.items():
            panel.plot(values, [name] * len(values), ".", color="#1f3b5c", markersize=4)
        panel.invert_yaxis()
        panel.set_title(f"{result.suite} ({result.unit}; bars are medians, dots are timings)", loc="left", fontsize=10)
        panel.tick_params(labelsize=8)
    FigureCanvasAgg(figure).print_png(str(path))
    return True
