"""The damage that a stage did, and the choice of a run's weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import Overlap

pytest.importorskip("tensorflow")
from finetune.identification.rates import OpenSet
from finetune.recipe import Recipe
from finetune.record.held_back import HeldBack
from finetune.record.results import StageResult, verdict_of
from finetune.record.trade_off import TradeOff
from finetune.report import tables
from tests.evidence import evidence

pytestmark = pytest.mark.tf
N = 400


def right(n):
    return np.arange(N) < n


def lfw(n, **changes):
    """Return a result of 400 pairs, of which the first `n` are decided correctly."""
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, N, 4))
    base = evaluate_pairs(first, second, np.arange(N) % 2 == 0, n_folds=4)
    return dataclasses.replace(base, correct=right(n), accuracy=n / N, **changes)


def point(strangers, learned):
    return TradeOff(lfw(strangers), OpenSet(0.5, 0.01, 0.01, 0.5, learned / N, N, N, right(learned)))


RECIPE = Recipe(checkpoint="models/mine", output="run", data={"train": "faces"})
FRESH = Recipe(weights="none", output="run", data={"train": "faces"})
START = evidence(lfw(360), None, HeldBack(right(300)))


def stage(index, began, trained, accepted=True, start=START):
    return StageResult(
        index=index,
        name=f"stage{index}",
        train_from="Block8",
        epochs=1,
        kept_epoch=1,
        step=1,
        cross_entropy=0.5,
        accuracy=1.0,
        validation_loss=0.5,
        validation_accuracy=trained.held_back.accuracy if trained.held_back else None,
        accepted=accepted,
        reason="",
        failure="",
        rejected=(),
        folder=Path(f"run/{index}-stage{index}"),
        start=start,
        began=began,
        trained=trained,
    )


def test_a_stage_without_a_gate_whose_interval_lies_below_0_says_so_at_its_end_and_in_the_table(capsys):
    result = stage(1, START, evidence(lfw(340), None, HeldBack(right(303))))
    assert result.difference.high < 0
    words = f"worse than before the stage: LFW accuracy fell from 0.9000 to 0.8500 (95 % of the difference: {result.difference.low:+.4f} to {result.difference.high:+.4f})"  # noqa: E501
    assert result.harm == words
    tables.stage_footer(result)
    assert words in capsys.readouterr().out.splitlines()
    table = tables.stages(START.lfw, [result])
    assert f"stage1: {words}" in table.caption.splitlines()
    assert list(table.columns[-1].cells) == ["", "kept, but worse"]


@pytest.mark.parametrize(
    ("trained", "what"),
    [
        (evidence(lfw(360), None, HeldBack(right(280))), ["held-back accuracy"]),
        (evidence(trade_off=point(320, 300)), ["strangers' accuracy"]),
        (evidence(trade_off=point(350, 280)), ["held-back accuracy by the nearest mean"]),
        (evidence(lfw(340), point(320, 300)), ["strangers' accuracy", "LFW accuracy"]),
        (
            evidence(lfw(360, overlap=Overlap(("a",), 9, 9), without_overlap=lfw(330))),
            ["LFW accuracy without the people trained on"],
        ),
        (evidence(lfw(358), point(348, 298), HeldBack(right(298))), []),
        (evidence(), []),
    ],
)
def test_whatever_was_measured_before_and_after_is_compared(trained, what):
    overlap = {"overlap": Overlap(("a",), 9, 9), "without_overlap": lfw(360)}
    before = evidence(lfw(360, **overlap), point(350, 300), HeldBack(right(300)))
    harm = stage(1, before, trained, start=before).harm
    assert [
        part.split(" fell from ")[0] for part in harm.removeprefix("worse than before the stage: ").split(", ")
    ] == (what or [""])


def test_a_loss_against_the_stage_and_the_run_alike_is_told_once():
    start, began = evidence(lfw(360)), evidence(lfw(360))
    harm = stage(2, began, evidence(lfw(340)), start=start).harm
    assert harm.startswith("worse than before the stage and before the run: LFW accuracy fell from 0.9000 to 0.8500")
    assert harm.count("fell") == 1


def test_small_losses_that_add_up_are_said_against_the_start_and_the_stage_is_not_used():
    measured = [evidence(lfw(360 - 4 * i), None, HeldBack(right(300 + 20 * i))) for i in range(4)]
    results = [stage(i, measured[i - 1], measured[i], start=measured[0]) for i in (1, 2, 3)]
    assert [result.difference.high < 0 for result in results] == [False, False, False]
    assert [result.harm.split(" fell")[0] for result in results] == [
        "",
        *["worse than before the run: LFW accuracy"] * 2,
    ]
    verdict = verdict_of(RECIPE, 100, measured[0], results)
    assert (verdict.place, verdict.folder) == (1, Path("run/1-stage1"))


def test_a_stage_that_was_rolled_back_is_never_used_and_the_place_is_its_index():
    better = evidence(lfw(360), None, HeldBack(right(340)))
    results = [stage(1, START, better, accepted=False), stage(2, START, better), stage(3, better, better)]
    verdict = verdict_of(RECIPE, 12, START, results)
    assert (verdict.place, verdict.folder) == (2, Path("run/2-stage2"))
    assert verdict.text.startswith("Use stage 'stage2': compared with the checkpoint that you started from, held-back")
    none = verdict_of(RECIPE, 12, START, results[:1])
    assert (none.place, none.folder) == (0, Path("models/mine"))
    assert "with a gallery: no stage was kept. For 12 people a gallery without training may do." in none.text


def test_random_weights_are_never_the_choice():
    none = verdict_of(FRESH, 12, START, [stage(1, START, START, accepted=False)])
    assert (none.place, none.folder) == (0, None)
    assert none.text.startswith("No stage is shown to be better than random weights: train for more epochs")
    better = evidence(lfw(360), None, HeldBack(right(340)))
    used = verdict_of(FRESH, 12, START, [stage(1, START, better)])
    assert used.folder == Path("run/1-stage1")
    assert used.text.startswith("Use stage 'stage1': compared with random weights, held-back accuracy rose")


def test_pairs_of_people_who_were_trained_on_do_not_make_a_stage_better():
    overlap = {"overlap": Overlap(("a",), 9, 9)}
    start = evidence(lfw(340, **overlap, without_overlap=lfw(350)))
    flattered = evidence(lfw(390, **overlap, without_overlap=lfw(352)))
    assert verdict_of(RECIPE, 99, start, [stage(1, start, flattered, start=start)]).place == 0
    real = evidence(lfw(390, **overlap, without_overlap=lfw(390)))
    assert verdict_of(RECIPE, 99, start, [stage(1, start, real, start=start)]).place == 1


def test_the_baseline_has_a_row_with_its_held_back_accuracy_even_without_pairs():
    start = evidence(held_back=HeldBack(right(300)))
    table = tables.stages(None, [stage(1, start, evidence(held_back=HeldBack(right(310))), start=start)])
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["baseline", "stage1"]
    assert cells[4] == ["0.7500", "0.7750"]
    assert cells[-1] == ["", "kept"]
    assert "of the baseline by the nearest class mean" in table.caption
