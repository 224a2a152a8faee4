"""Output of a run on the terminal: one line per epoch, and the table of stages at its end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.gallery import FAR as NAMING_FAR
from finetune.model import Model
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.recipe import Recipe, Stage
from finetune.record import BASELINE, FAR, Evidence, StageResult, TradeOff
from finetune.training import StageState, Trainer, sets_of
from finetune.verification import Difference, VerificationResult, compare, least_rate, paired_interval, rounded_up
from finetune.words import counted

EPOCH_HEADER = f"{'epoch':>7}{'rate':>10}{'loss':>9}{'accuracy':>10}{'held-back':>22}{'time':>8}{'remains':>10}"


def baseline(start: Evidence) -> None:
    """Print the figures that all later ones are compared with."""
    if start.trade_off:
        say(f"baseline: {_trade_off(start.trade_off)}")
    if start.held_back:
        say(f"baseline: {start.held_back.accuracy:.4f} of the held-back images are named correctly by the nearest mean")
    if not start.sets:
        say("baseline: no LFW pairs are given, so nothing is validated on them")
    for result in start.sets.values():
        say(f"baseline: {_figures(result)}")
        for line in _without_overlap(result, None):
            say(line)


def stage_header(stage: Stage, index: int, trainer: Trainer, n_images: int, state: StageState) -> None:
    """Print what trains, and the header of the lines of epochs."""
    values = count_values(trainer.model, trainer.names)
    say(f"\nstage {index} {stage.name!r}: trains {stage.trains}, {values:,} values, on {counted(n_images, 'image')}")
    if state.epoch:
        say(f"resumed after epoch {state.epoch}")
    say(EPOCH_HEADER)


def epoch(state: StageState, stage: Stage) -> None:
    """Print the line of the last finished epoch.

    `accuracy` is the share that the loss reports. `held-back` shows the loss itself and its other metrics; `*` marks
    the lowest loss so far. A second line shows the pairs, if they were measured after the epoch.
    """
    row = state.rows[-1]
    found = [row.get(name) for name in stage.loss.held_back]
    held_back = " ".join(f"{value:.4f}" for value in found if value is not None)
    if held_back:
        held_back += "*" if state.kept_epoch == row.epoch else " "
    loss = f"{row['loss']:.4f}" if row["loss"] < 1000 else f"{row['loss']:.3g}"
    share = stage.loss.share(row.numbers)
    accuracy = "" if share is None else f"{share:.4f}"
    # The first epoch is not typical: it also traces the step, and computes the features that the others read.
    later = [r["seconds"] for r in state.rows[1:]]
    remains = duration(sum(later) / len(later) * (stage.last_epoch - row.epoch)) if later else ""
    say(
        f"{row.epoch:>4}/{stage.last_epoch:<2}{row['learning_rate']:>10.3g}{loss:>9}{accuracy:>10}"
        f"{held_back:>22}{duration(row['seconds']):>8}{remains:>10}".rstrip()
    )
    if "lfw_accuracy" in row.numbers:
        strangers = f"; strangers {row['strangers_accuracy']:.4f}" if "strangers_accuracy" in row.numbers else ""
        say(f"{'':>9}LFW {row['lfw_accuracy']:.4f}, validation rate {row['lfw_val']:.4f}{strangers}")
    for name in sets_of(row):
        say(f"{'':>9}{name} {row[f'{name}.accuracy']:.4f}, validation rate {row[f'{name}.val']:.4f}")


def stage_footer(result: StageResult) -> None:
    """Print each set of pairs after the stage with its difference, what got worse, and whether the stage is kept."""
    without = result.differences_without_overlap
    for name, difference in result.differences.items():
        say(f"{_figures(result.trained.sets[name])}; {_interval(difference)}")
        for line in _without_overlap(result.trained.sets[name], without.get(name)):
            say(line)
    if result.measured_trade_off:
        say(_trade_off(result.measured_trade_off))
        if result.trade_off_before:
            say(_change(result.trade_off_before, result.measured_trade_off))
    if result.harm:
        say(result.harm)
    if not result.accepted:
        say(f"rolled back: {result.reason}")
    elif result.reason:
        say(f"kept: {result.reason}")
    say(f"saved in {result.folder}")


def stages(baseline: VerificationResult | None, results: Sequence[StageResult]) -> Table:
    """Make the final table: each stage with LFW before, after and the paired difference."""
    held_back = any(r.validation_accuracy is not None for r in results)
    columns = ["stage", "trains from", "epochs", "kept", "held back" if held_back else "training"]
    caption = f"{columns[-1]}: accuracy on {'held-back' if held_back else 'training'} images"
    first = results[0].start.held_back if results else None
    if first:
        caption += ", of the baseline by the nearest class mean"
    if baseline:
        of = baseline.of_what
        columns += [f"{of} before", f"{of} after", "difference (95 %)", "VAL"]
        caption += f"; {of}: accuracy{_sample(baseline)}; VAL: validation rate at FAR {baseline.far_target:g}"
        caption += "".join(f"\n{line}" for line in _accuracies_without_overlap(baseline, results))
    caption += "".join(f"\n{r.name}: {r.harm}" for r in results if r.harm)
    columns += ["outcome"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in columns:
        left = name in ("stage", "trains from", "outcome")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    if baseline or first:
        lfw = ["", f"{baseline.accuracy:.4f}", "", f"{baseline.val:.4f}"] if baseline else []
        table.add_row(BASELINE, "", "", "", f"{first.accuracy:.4f}" if first else "", *lfw, "")
    for r in results:
        accuracy = r.validation_accuracy if held_back else r.accuracy
        cells = [r.name, r.train_from, str(r.epochs), str(r.kept_epoch), "" if accuracy is None else f"{accuracy:.4f}"]
        if r.before and r.measured and r.difference:
            figures = [f"{r.before.accuracy:.4f}", f"{r.measured.accuracy:.4f}", _interval(r.difference)]
            cells += [*figures, f"{r.measured.val:.4f}"]
        elif baseline:
            cells += [""] * 4
        table.add_row(*cells, r.outcome)
    return table


def sets(start: Evidence, results: Sequence[StageResult]) -> Table:
    """Make the table of all sets of pairs, each with its accuracy after each stage and the change since the run began.

    Args:
        start: measurements before the first stage.
        results: finished stages.
    """
    columns = ["pairs", "stage", "accuracy", "since the baseline (95 %)", "VAL", "at FAR", "outcome"]
    caption = "VAL: validation rate at the false accept rate of the set's protocol"
    caption += "".join(f"\n{result.of_what}:{_sample(result)}" for result in start.sets.values() if _sample(result))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in ("pairs", "stage", "outcome") else "right", no_wrap=True)
    for name, first in start.sets.items():
        figures = [f"{first.accuracy:.4f}", "", f"{first.val:.4f}", f"{first.far_target:g}"]
        table.add_row(first.of_what, BASELINE, *figures, "")
        for stage in results:
            now = stage.trained.sets.get(name)
            if now:
                figures = [f"{now.accuracy:.4f}", _interval(compare(first, now)), f"{now.val:.4f}", ""]
                table.add_row("", stage.name, *figures, stage.outcome)
    return table


def gallery_command(recipe: Recipe, stage: Path | None = None) -> str:
    """Return the command that enrols the people of a recipe in a gallery.

    Args:
        stage: folder of the weights. Default: the recipe's checkpoint.
    """
    data, options = recipe.data, recipe.preprocessing
    words = ["finetune", "enroll", "people.h5", str(data.train), *(["--align"] if data.align else [])]
    words += ["--checkpoint", str(stage or recipe.begins_with)]
    if stage is None:  # a stage's folder says what its checkpoint expects of images
        words += ["--image-size", str(options.image_size)] if options.image_size else []
        words += ["--standardization", options.standardization] if options.standardization else []
        words += ["--convert"] if options.convert else []
    return shlex.join(words)


def naming_command(recipe: Recipe, people: int) -> str:
    """Return the command that names faces in photos of the kind that `gallery_command` enrols.

    Args:
        people: number of enrolled people. Few of them, without strangers, need a higher rate than the default.
    """
    least = least_rate(people / 2)
    far = f" --far {rounded_up(least)}" if least > NAMING_FAR else ""
    if recipe.data.align:
        return f"finetune identify people.h5 PHOTOS --align{far}"
    return f"finetune identify people.h5 FACES{far}   # aligned as {in_one_line(recipe.data.train)} is"


def trade_offs(baseline: TradeOff, results: Sequence[StageResult]) -> Table:
    """Make the table of gain and forgetting, each with its 95 % interval relative to the checkpoint before the run."""
    columns = [
        "stage",
        "learned",
        "gain (95 %)",
        "strangers",
        "change (95 %)",
        "VAL",
        f"DIR at FAR {FAR:.0%}",
        "outcome",
    ]
    caption = (
        "learned: held-back images of those trained on, named by the nearest mean; strangers: accuracy and VAL on\n"
        "pairs of people held out; DIR: held-back images named correctly above the score that 1 % of strangers reach"
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in ("stage", "outcome") else "right", no_wrap=True)
    measured = [(r.name, r.measured_trade_off, r.outcome) for r in results]
    for name, now, what_became in [(BASELINE, baseline, ""), *measured]:
        if now is None:
            continue
        gain = change = ""
        if now is not baseline:
            change = _paired(baseline.strangers.correct, now.strangers.correct)
            if baseline.learned and now.learned:
                gain = _paired(baseline.learned.correct, now.learned.correct)
        learned = [f"{now.learned.rank1:.4f}", f"{now.learned.dir:.4f}"] if now.learned else ["", ""]
        accuracy, val = f"{now.strangers.accuracy:.4f}", f"{now.strangers.val:.4f}"
        table.add_row(name, learned[0], gain, accuracy, change, val, learned[1], what_became)
    return table


def duration(seconds: float) -> str:
    """Return a duration in readable form: `42 s`, `3 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def count_values(model: Model, names: Sequence[str]) -> int:
    """Return how many numbers these variables hold."""
    return sum(int(model.variables[name].shape.num_elements()) for name in names)


def _trade_off(measured: TradeOff) -> str:
    verification = f"strangers {measured.strangers.accuracy:.4f}, validation rate {measured.strangers.val:.4f}"
    if measured.learned is None:
        return verification
    return f"learned {measured.learned.rank1:.4f}, DIR at FAR {FAR:.0%} {measured.learned.dir:.4f}; {verification}"


def _change(before: TradeOff, after: TradeOff) -> str:
    """Return what the stage gained and lost, in words."""
    change = f"strangers {_paired(before.strangers.correct, after.strangers.correct)}"
    if before.learned and after.learned:
        return f"this stage: learned {_paired(before.learned.correct, after.learned.correct)}, {change}"
    return f"this stage: {change}"


def _paired(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> str:
    """Return the difference of two accuracies on the same images or pairs, with its interval."""
    difference = paired_interval(before, after)
    if difference.gained == difference.lost == 0:
        return "none"
    return f"{difference.difference:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _interval(difference: Difference) -> str:
    if difference.gained == difference.lost == 0:
        return "every pair decided as before"
    return f"{difference.accuracy:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _without_overlap(result: VerificationResult, difference: Difference | None) -> list[str]:
    """Return the figures without the people who are trained on; empty without an overlap."""
    if not result.left_out:
        return []
    if result.without_overlap is None:
        return [f"no figures without {result.left_out}: too few are left"]
    change = f"; {_interval(difference)}" if difference else ""
    return [f"without {result.left_out}: {_figures(result.without_overlap)}{change}"]


def _accuracies_without_overlap(baseline: VerificationResult, results: Sequence[StageResult]) -> list[str]:
    """Return the accuracies of the whole run without the people who are trained on."""
    measured = [(BASELINE, baseline), *((r.name, r.measured) for r in results if r.measured)]
    _, last = measured[-1]
    if last.without_overlap is None:
        return _without_overlap(last, None)
    # In a run that an older finetune began, the first results have no overlap.
    like = [(name, lfw.without_overlap) for name, lfw in measured if lfw.overlap == last.overlap]
    accuracies = ", ".join(f"{name} {without.accuracy:.4f}" for name, without in like if without)
    return [f"without {last.left_out}, {last.accuracy_name}: {accuracies}"]


def _figures(result: VerificationResult) -> str:
    return (
        f"{result.accuracy_name} {result.accuracy:.4f}±{result.accuracy_std:.4f}, "
        f"validation rate {result.val:.4f}±{result.val_std:.4f} at FAR {result.far_target:g}"
    )


def _sample(result: VerificationResult) -> str:
    """Return the size of the measured sample, in words; empty if all pairs were measured."""
    if result.sample_of is None:
        return ""
    return f" on a sample of {result.n_pairs:,} of {result.sample_of:,} pairs"
