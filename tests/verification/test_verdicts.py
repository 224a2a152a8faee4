"""The weights to use are the first, unless later ones are shown to be better and nowhere worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.verification.verdicts import HELD_BACK, Candidate, Score, losses, verdict

N = 400
LFW = "LFW accuracy"


def score(right: int, flattered: bool = False) -> Score:
    """Return a score whose first `right` answers are right."""
    correct = np.arange(N) < right
    return Score(float(correct.mean()), correct, flattered)


def candidate(name: str, **right: int) -> Candidate:
    names = {"held_back": HELD_BACK, "lfw": LFW, "strangers": "strangers' accuracy"}
    return Candidate(name, Path("run") / name, {names[key]: score(value) for key, value in right.items()})


START = candidate("the checkpoint", held_back=300, lfw=360, strangers=350)


def stage(name: str, **changes: int) -> Candidate:
    """Return a candidate like the start, with this many more right answers."""
    right = {"held_back": 300, "lfw": 360, "strangers": 350}
    return candidate(name, **{key: value + changes.get(key, 0) for key, value in right.items()})


# 20 of 400 answers gained and none lost: 0.05 with a 95 % interval of about 0.027 to 0.072; 3 are within chance.
@pytest.mark.parametrize(
    ("stages", "chosen"),
    [
        ([], "the checkpoint"),
        ([stage("head", held_back=3)], "the checkpoint"),  # better, but not by more than chance explains
        ([stage("head", held_back=20)], "head"),
        ([stage("head", held_back=20), stage("block")], "head"),  # the last is not better than the start
        ([stage("head", held_back=20), stage("block", held_back=23)], "head"),  # nor is this better than the head
        ([stage("head", held_back=20), stage("block", held_back=40)], "block"),
        ([stage("head", held_back=3), stage("block", held_back=20)], "block"),
        ([stage("head", held_back=20), stage("block", held_back=40, lfw=-20)], "head"),
        ([stage("head", held_back=20), stage("block", held_back=40, strangers=-20)], "head"),
        ([stage("block", held_back=40, lfw=-20)], "the checkpoint"),
        ([stage("block", lfw=20)], "block"),  # better embeddings, with any classifier
        ([stage("block", strangers=20)], "block"),
        ([stage("block", lfw=20, held_back=-20)], "the checkpoint"),
        ([stage("head", held_back=40), stage("block", held_back=20, lfw=20)], "head"),  # it would lose what was gained
        ([stage("a", lfw=-3), stage("b", lfw=-6), stage("c", lfw=-20, held_back=20)], "the checkpoint"),
    ],
)
def test_the_first_stands_until_a_later_one_is_shown_to_be_better_and_nowhere_worse(stages, chosen):
    found = verdict(START, stages, people=100)
    candidates = [START, *stages]
    assert candidates[found.place].name == chosen
    assert found.folder == Path("run") / chosen
    assert found.text.startswith(f"Use {chosen}")
    assert str(found) == found.text


def test_of_a_stage_that_wins_the_gain_is_told_with_its_interval():
    text = verdict(START, [stage("head", held_back=20), stage("block", held_back=23)], people=100).text
    # Agresti and Min: (20 - 0) / 402, and 1.96 standard errors of it.
    centre = 20 / 402
    half = 1.959964 * np.sqrt((21 / 402 - centre**2) / 402)
    assert text == (
        "Use head: compared with the checkpoint, held-back accuracy rose from 0.7500 to 0.8000 "
        f"(95 % of the difference: {centre - half:+.4f} to {centre + half:+.4f}). Not shown to be better still: block."
    )


def test_a_later_stage_that_is_worse_is_told_once_as_worse():
    stages = [stage("head", held_back=20), stage("block", lfw=-20), stage("all")]
    text = verdict(START, stages, people=100).text
    assert "Not shown to be better still: all." in text
    assert "Worse than the start: block, where" in text
    assert text.count("block") == 1


def test_of_the_checkpoint_it_says_to_use_a_gallery_and_what_got_worse():
    text = verdict(START, [stage("head"), stage("block", lfw=-20)], people=12).text
    assert text.startswith(
        "Use the checkpoint, with a gallery: no stage is shown to be better. For 12 people a gallery"
    )
    assert "a gallery without training may do." in text
    assert "Worse than the start: block, where LFW accuracy fell from 0.9000 to 0.8500" in text
    assert "without training" not in verdict(START, [stage("head")], people=21).text


def test_a_gain_on_pairs_of_people_who_were_trained_on_shows_nothing_and_a_loss_does():
    def with_trained(right: int) -> Candidate:
        return Candidate("block", Path("run/block"), {HELD_BACK: score(300), LFW: score(right, flattered=True)})

    assert verdict(START, [with_trained(390)], people=100).place == 0
    assert [loss.what for loss in losses(START.scores, with_trained(330).scores)] == [LFW]
    assert "Worse than the start" in verdict(START, [with_trained(330)], people=100).text


def test_what_was_not_measured_both_times_or_on_other_questions_decides_nothing():
    other = Candidate("block", Path("run/block"), {HELD_BACK: Score(1.0, np.ones(N - 1, bool)), "more": score(N)})
    found = verdict(candidate("the checkpoint", held_back=0), [other], people=100)
    assert found.text == (
        "Use the checkpoint, with a gallery: nothing was measured that could show a stage to be better."
    )


def test_where_nothing_was_held_back_it_says_what_that_would_show():
    text = verdict(candidate("the checkpoint", lfw=360), [candidate("head", lfw=360)], people=100).text
    assert "no stage is shown to be better. Nothing is known of held-back images: give data.validation_split" in text


def test_where_every_stage_was_rolled_back_it_says_so():
    assert verdict(START, [], people=100).text == "Use the checkpoint, with a gallery: no stage was kept."


@pytest.mark.parametrize(("lost", "shown"), [(0, False), (4, False), (5, True), (20, True)])
def test_a_loss_is_shown_where_the_whole_interval_lies_below_0(lost, shown):
    after = stage("block", lfw=-lost)
    # Agresti and Min add half a pair to each of the four counts.
    centre = -lost / (N + 2)
    high = centre + 1.959964 * np.sqrt(((lost + 1) / (N + 2) - centre**2) / (N + 2))
    assert (high < 0) == shown
    assert bool(losses(START.scores, after.scores)) == shown
