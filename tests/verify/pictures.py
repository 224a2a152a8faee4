"""A run as pictures.

python tests/verify/pictures.py table RUN OUT.png        # the tables at its end
python tests/verify/pictures.py curve RUN OUT.png        # gain against forgetting, epoch by epoch
python tests/verify/pictures.py gate OUT.png RUN …       # what the gates of runs judged
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator
from rich.console import Console

from finetune.progress import WIDTH
from finetune.recipe.recipe import Recipe
from finetune.record.folder import RunFolder
from finetune.record.results import stored_results
from finetune.report import tables
from finetune.runs.gate import judge
from finetune.training.history import from_csv

GAIN, FORGETTING, MARGIN, GREY = "#1b6ca8", "#c2571a", "#8a1c1c", "#777777"


def table(run: Path, out: Path) -> None:
    """Draw the tables that the run printed at its end."""
    recipe = Recipe.load(run / "recipe.yaml")
    start, results = stored_results(RunFolder(run), recipe.stages)
    text = io.StringIO()
    console = Console(file=text, width=WIDTH)
    console.print(tables.stages(start.lfw, results))
    if start.trade_off:
        console.print(tables.trade_offs(start.trade_off, results))
    lines = [line.rstrip() for line in text.getvalue().strip("\n").splitlines()]
    figure = plt.figure(figsize=(0.102 * max(map(len, lines)) + 0.5, 0.205 * len(lines) + 0.4), facecolor="#1d1f21")
    figure.text(0.02, 0.5, "\n".join(lines), family="DejaVu Sans Mono", size=11.5, color="#e8e8e8", va="center")
    figure.savefig(out, dpi=110)


def curve(run: Path, out: Path) -> None:
    """Draw the learned people and the strangers, each as the change since before the run, with 95 % intervals."""
    rows = from_csv((run / "history.csv").read_text(encoding="utf-8"))
    before = json.loads((run / "0-baseline/strangers.json").read_text(encoding="utf-8"))
    epochs = range(1, len(rows) + 1)
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    parts = [
        ("learned", "the people who are learned (held-back images)", GAIN, (before["learned"] or {}).get("rank1")),
        ("strangers", "strangers (pairs)", FORGETTING, before["strangers"]["accuracy"]),
    ]
    for name, label, colour, start in parts:
        if start is None:
            continue
        change = [row[f"{name}_accuracy"] - start for row in rows]
        low, high = ([row[f"{name}_{end}"] for row in rows] for end in ("low", "high"))
        axes.plot(epochs, change, color=colour, label=f"{label}, {start:.3f} before", linewidth=1.8)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    for number, row in enumerate(rows, start=1):
        if row.epoch == 1:
            axes.axvline(number - 0.5, color=GREY, linewidth=0.6, linestyle=":")
            attempt = f" (attempt {row.attempt})" if row.attempt > 1 else ""
            axes.text(number - 0.4, 1.01, f"{row.stage}{attempt}", transform=axes.get_xaxis_transform(), size=8.5)
    axes.set_xlabel("epoch of the run")
    axes.set_ylabel("accuracy, less that before the run")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


def gate(out: Path, *runs: Path) -> None:
    """Draw each gate's judgement: the difference with its interval, and how far it might fall."""
    judged = []
    for run in runs:
        recipe = Recipe.load(run / "recipe.yaml")
        _, results = stored_results(RunFolder(run), recipe.stages)
        for stage, result in zip(recipe.stages, results, strict=False):
            if stage.accept is None:
                continue
            decision = judge(stage.accept, result.start, result.began, result.trained)
            judged.append((f"{run.name}: {stage.name}", stage.accept, decision))
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(judged) + 1.3), layout="constrained")
    for place, (name, accept, decision) in enumerate(reversed(judged)):
        colour = GAIN if decision.accepted else MARGIN
        axes.plot([decision.low, decision.high], [place, place], color=colour, linewidth=2)
        axes.plot(decision.difference, place, "o", color=colour, markersize=6)
        axes.plot(-accept.max_drop, place, "|", color="black", markersize=13, markeredgewidth=1.6)
        word = "kept" if decision.accepted else "rolled back"
        p = "" if decision.p_value is None else f", p {decision.p_value:.2g}"
        axes.text(1.01, place, f"{word}{p}", transform=axes.get_yaxis_transform(), va="center", size=8.5, color=colour)
        judged_name = f"{name} ({accept.metric.replace('_', ' ')})"
        axes.text(-0.01, place, judged_name, transform=axes.get_yaxis_transform(), va="center", ha="right", size=8.5)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks([])
    axes.set_ylim(-0.7, len(judged) - 0.3)
    axes.set_xlabel("change of the figure in the stage, with its 95 % interval; the bar is what the recipe allows")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Draw what the command line asks for."""
    what, *names = sys.argv[1:] or [""]
    paths = [Path(name) for name in names]
    runs = paths[1:] if what == "gate" else paths[:1]
    if what not in ("table", "curve", "gate") or not runs or (what != "gate" and len(paths) != 2):
        sys.exit(__doc__)
    for run in runs:
        if not (run / "recipe.yaml").is_file():
            sys.exit(f"{run}: no run's folder; give one with a recipe.yaml in it")
    if what == "curve" and not (runs[0] / "0-baseline/strangers.json").is_file():
        sys.exit(f"{runs[0]}: a run without strangers; give one whose recipe has data.strangers")
    {"table": table, "curve": curve, "gate": gate}[what](*paths)


if __name__ == "__main__":
    main()
