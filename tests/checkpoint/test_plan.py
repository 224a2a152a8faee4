"""Every variable of the checkpoint and of the network is accounted for, exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from finetune.backbones import by_name
from finetune.checkpoint.plan import contents, plan_restore
from finetune.errors import CheckpointError

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")

FIRST = "InceptionResnetV1/Conv2d_1a_3x3/weights"
MEAN = "InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/moving_mean"
LAST = "InceptionResnetV1/Bottleneck/weights"
BODY = {FIRST: (3, 3, 3, 32), MEAN: (32,), LAST: (1792, 128)}
HEAD = {"Logits/weights": (128, 7), "Logits/biases": (7,)}
NEW_HEAD = {"Logits/weights": (128, 3), "Logits/biases": (3,)}


def problems(stored, needed, fresh=()) -> tuple[str, ...]:
    with pytest.raises(CheckpointError) as caught:
        plan_restore(V1, stored, needed, fresh, where="m.ckpt-1")
    return tuple(map(str, caught.value.problems))


def test_the_old_head_is_skipped_and_the_new_one_fresh() -> None:
    plan = plan_restore(V1, BODY | HEAD, BODY | NEW_HEAD, NEW_HEAD)
    assert plan.restored == tuple(BODY)
    assert plan.skipped == dict.fromkeys(HEAD, "the old classifier of 7 classes")
    assert plan.fresh == tuple(NEW_HEAD)


def test_a_new_head_of_the_old_size_is_still_fresh() -> None:
    plan = plan_restore(V1, BODY | HEAD, BODY | HEAD, HEAD)
    assert set(plan.skipped) == set(plan.fresh) == set(HEAD)


def test_a_head_is_restored_where_it_is_needed() -> None:
    plan = plan_restore(V1, BODY | HEAD, BODY | HEAD)
    assert plan.restored == (*BODY, *HEAD)
    assert not plan.skipped
    assert not plan.fresh


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        (f"{FIRST}/Adam", (3, 3, 3, 32), "state of its optimizer"),
        (f"{FIRST}/RMSProp_1", (3, 3, 3, 32), "state of its optimizer"),
        ("Logits/weights/Momentum", (128, 7), "state of its optimizer"),
        ("beta1_power", (), "state of its optimizer"),
        (f"{FIRST}/ExponentialMovingAverage", (3, 3, 3, 32), "moving average that its training kept of a variable"),
        ("cross_entropy/avg", (), "moving average that its training kept of a loss"),
        ("global_step", (), "step count of its training"),
        ("Variable", (), "step count of its training"),
        ("centers", (7, 128), "class centers of its center loss"),
        ("learning_rate", (), "part of no unit of the network"),
        ("OptimizeLoss/InceptionResnetV1/Conv2d_1a_3x3/weights/Adam", (3, 3, 3, 32), "state of its optimizer"),
        ("AM_logits/kernel", (128, 7), "part of no unit of the network"),
        ("Logits/kernel", (128, 7), "part of another classifier"),
    ],
)
def test_the_state_of_a_training_is_skipped_with_its_reason(name: str, shape: tuple[int, ...], reason: str) -> None:
    assert plan_restore(V1, BODY | {name: shape}, BODY).skipped == {name: reason}


def test_every_problem_is_named_at_once_with_both_shapes() -> None:
    stored = {LAST: (1792, 512), f"{FIRST}/gamma": (32,), MEAN: (32,), "InceptionResnetV1/attention/weights": (2, 2)}
    assert problems(stored, BODY) == (
        f"m.ckpt-1 {FIRST}: missing; the network needs shape [3, 3, 3, 32]",
        f"m.ckpt-1 {LAST}: shape [1792, 512]; the network needs [1792, 128]",
        f"m.ckpt-1 {FIRST}/gamma: shape [32]; the network has no such variable",
        "m.ckpt-1 InceptionResnetV1/attention/weights: shape [2, 2]; the network has no such variable",
    )


def test_a_head_of_another_size_is_an_error_where_it_is_needed() -> None:
    assert problems(BODY | HEAD, BODY | NEW_HEAD) == (
        "m.ckpt-1 Logits/weights: shape [128, 7]; the network needs [128, 3]",
        "m.ckpt-1 Logits/biases: shape [7]; the network needs [3]",
    )


def test_sizes_are_read_from_the_shapes() -> None:
    found = contents(BODY | HEAD)
    assert (found.backbone, found.embedding_size, found.num_classes) == (V1, 128, 7)
    assert contents(BODY).num_classes is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({FIRST: (3, 3, 3, 32)}, f"m {LAST}: missing; without it there is no embedding"),
        ({LAST: (1, 1, 1792, 128)}, f"m {LAST}: shape [1, 1, 1792, 128]; the network needs two dimensions"),
        (BODY | {"Logits/weights": (7,)}, "m Logits/weights: shape [7]; the network needs two dimensions"),
    ],
)
def test_shapes_that_tell_no_sizes_are_errors(stored, expected: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        contents(stored, "m")
    assert str(caught.value) == expected


variables = st.dictionaries(
    st.sampled_from([*BODY, *HEAD, f"{FIRST}/Adam", "centers", "global_step", "other/weights"]),
    st.sampled_from([(2, 3), (3, 2), ()]),
)


@given(stored=variables, needed=variables, fresh=st.sets(st.sampled_from(sorted(HEAD))))
def test_nothing_is_restored_or_left_out_silently(stored, needed, fresh) -> None:
    stored = stored | {LAST: (2, 3)}
    fresh &= needed.keys()
    try:
        plan = plan_restore(V1, stored, needed, fresh)
    except CheckpointError as error:
        named = {line.split(": ")[0].removeprefix("the checkpoint ") for line in map(str, error.problems)}
        wanted = needed.keys() - fresh
        wrong = {name for name in wanted if stored.get(name) != needed[name]}
        assert wrong <= named <= wrong | (stored.keys() - wanted)
        return
    assert sorted([*plan.restored, *plan.skipped]) == sorted(stored)
    assert sorted([*plan.restored, *plan.fresh]) == sorted(needed)
    assert all(stored[name] == needed[name] for name in plan.restored)
    assert all(plan.skipped.values())
