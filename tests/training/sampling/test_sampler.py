"""The epochs of a stage: how mining changes, what is counted, and what the bank holds."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.dataset.pipeline import Drawing
from finetune.training.sampling.sampler import Sampler

pytestmark = pytest.mark.tf
LABELS = np.repeat(np.arange(6), 5)


def stage(**values):
    return Stage("s", "Block8", 9, **values)


def bank():
    rows = np.random.default_rng(0).normal(size=[30, 8]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_without_a_word_each_image_is_drawn_once_in_the_order_of_the_pipeline():
    epoch = Sampler(stage(), LABELS, 8, 3, 2).epoch(4)
    np.testing.assert_array_equal(epoch.order, Drawing(3, 2, 4).order(30))
    assert (epoch.batch_size, epoch.n_batches) == (8, 4)


UNEVEN = np.repeat(np.arange(6), [5, 1, 7, 3, 9, 5])
GROUPED = {"sampling": {"people": 3, "images": 2}}
ORDERS = [
    ({}, "e3bb6b50ec0ac53f"),
    ({"sampling": "balanced"}, "f553e431dde9eb8c"),
    ({"sampling": "square_root"}, "fefc14eaae4b22d1"),
    (GROUPED, "e155ee9481037818"),
    ({"loss": "triplet"}, "36962abe130e4721"),
    ({"loss": "triplet", "mining": "bank"}, "cb4f2cb00d452c9a"),
    ({"loss": "triplet", "mining": "hard", **GROUPED}, "e155ee9481037818"),
]


@pytest.mark.parametrize(("values", "sha256"), ORDERS)
def test_an_epoch_of_all_images_is_drawn_as_it_always_was(values, sha256):
    """Compare with digests that were computed before an epoch could be limited."""
    sampler = Sampler(stage(**values), UNEVEN, 8, 3, 2, bank)
    orders = [sampler.epoch(number).order.astype("<i8").tobytes() for number in (1, 2, 7)]
    assert hashlib.sha256(b"".join(orders)).hexdigest().startswith(sha256)


@pytest.mark.parametrize(
    ("values", "n", "size"),
    [({}, 8, 8), ({"sampling": "balanced"}, 8, 8), (GROUPED, 6, 6), ({"loss": "triplet"}, 24, 6)],
    ids=["shuffled", "balanced", "grouped", "triplets"],
)
def test_a_share_draws_as_many_images_or_anchors_rounded_up(values, n, size):
    epoch = Sampler(stage(**values), UNEVEN, 8, 3, 2, share=0.25).epoch(3)
    # A quarter of 30 images, of 5 batches of 6, and of 29 anchors.
    assert (len(epoch.order), epoch.batch_size) == (n, size)
    assert epoch.n_batches == -(-n // size)


def test_a_share_counts_as_it_is_written():
    labels = np.zeros(100, np.int64)
    assert len(Sampler(stage(), labels, 8, 3, 2, share=0.07).epoch(1).order) == 7


@pytest.mark.parametrize("values", [kind for kind, _ in ORDERS])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_a_stages_steps_are_whole_batches_whatever_the_share(values, steps):
    sampler = Sampler(stage(steps_per_epoch=steps, **values), UNEVEN, 8, 3, 2, bank, 0.5)
    for number in (1, 2):
        epoch = sampler.epoch(number)
        assert epoch.n_batches == steps
        assert len(epoch.order) == steps * epoch.batch_size


def test_all_images_are_seen_in_turn_and_a_retried_or_resumed_epoch_is_the_same():
    sampler = Sampler(stage(), UNEVEN, 8, 3, 2, share=0.3)
    parts = [sampler.epoch(number).order for number in range(1, 9)]
    assert set(np.concatenate(parts[:4]).tolist()) == set(np.concatenate(parts[4:]).tolist()) == set(range(30))
    assert all(len(set(part.tolist())) == 9 for part in parts)
    np.testing.assert_array_equal(Sampler(stage(), UNEVEN, 8, 3, 2, share=0.3).epoch(7).order, parts[6])
    anchors = Sampler(stage(loss="triplet"), UNEVEN, 8, 3, 2, share=0.5)
    seen = np.concatenate([anchors.epoch(number).order[::3] for number in (1, 2)])
    assert set(seen.tolist()) == {row for row in range(30) if UNEVEN[row] != 1}


def test_triplets_fill_batches_of_whole_triplets():
    epoch = Sampler(stage(loss="triplet"), LABELS, 8, 3, 2).epoch(1)
    assert (epoch.batch_size, epoch.negatives, len(epoch.order)) == (6, "random", 90)
    assert Sampler(stage(loss="triplet"), LABELS, 2, 3, 2).epoch(1).batch_size == 3


@pytest.mark.parametrize("mining", ["hard", "semi_hard"])
def test_negatives_within_a_batch_take_batches_of_people_times_images(mining):
    values = {"loss": "triplet", "mining": mining, "sampling": {"people": 3, "images": 2}}
    epoch = Sampler(stage(**values), LABELS, 90, 3, 2).epoch(1)
    assert (epoch.batch_size, epoch.negatives, len(epoch.order)) == (6, mining, 30)


def test_once_the_loss_has_settled_the_other_mining_takes_over_and_stays():
    mining = {"negatives": "random", "then": "bank", "candidates": 5, "tolerance": 0.1}
    sampler = Sampler(stage(loss="triplet", mining=mining), LABELS, 90, 3, 2, bank)
    losses = [1.0, 0.5, 0.2, 0.2, 0.2, 0.2, 0.9, 0.1]
    used = [sampler.epoch(number + 1, losses[:number]).negatives for number in range(9)]
    assert used == ["random"] * 6 + ["bank"] * 3


def test_the_bank_has_of_each_image_the_embedding_that_it_had_last():
    sampler = Sampler(stage(loss="triplet", mining="bank"), LABELS, 90, 3, 2, bank)
    before = sampler.bank.copy()
    sampler.used(np.array([4, 7]), lambda: np.array([[3.0] + [0.0] * 7, [0.0, 2.0] + [0.0] * 6]))
    np.testing.assert_array_equal(sampler.bank[4], np.eye(8)[0])
    np.testing.assert_array_equal(sampler.bank[7], np.eye(8)[1])
    others = np.delete(np.arange(30), [4, 7])
    np.testing.assert_array_equal(sampler.bank[others], before[others])


def test_draws_are_counted_and_nothing_is_asked_for_without_a_bank():
    sampler = Sampler(stage(), LABELS, 8, 3, 2)
    for rows in ([0, 1, 1], [1]):
        sampler.used(np.array(rows), lambda: pytest.fail("no bank"))
    assert sampler.drawn[:3].tolist() == [1, 3, 0]


def test_a_resumed_stage_draws_what_it_would_have_drawn():
    values = stage(loss="triplet", mining="bank")
    first = Sampler(values, LABELS, 90, 3, 2, bank)
    first.used(np.arange(30), lambda: np.random.default_rng(5).normal(size=[30, 8]))
    saved = {name: array.copy() for name, array in first.state().items()}
    second = Sampler(values, LABELS, 90, 3, 2, bank)
    second.load(saved)
    np.testing.assert_array_equal(first.epoch(2).order, second.epoch(2).order)
    np.testing.assert_array_equal(first.drawn, second.drawn)
