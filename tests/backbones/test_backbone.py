"""Boundaries of the named backbones, and the unit of every variable."""

from __future__ import annotations

import pytest

from finetune.backbones import by_name
from finetune.errors import UserError
from tests.tiny import TINY

V1 = by_name("inception_resnet_v1")
V2 = by_name("inception_resnet_v2")


def test_a_boundary_is_a_repeat_or_a_unit_with_variables():
    assert TINY.boundaries == (
        "Repeat",
        "Conv2d_1a_3x3",
        "Mixed_5b",
        "Repeat/block35_1",
        "Repeat/block35_2",
        "Mixed_6a",
        "Block8",
        "Bottleneck",
        "Logits",
    )
    assert [TINY.boundary(name) for name in TINY.boundaries] == [3, 0, 2, 3, 4, 5, 6, 8, 9]


def test_the_end_lies_after_the_last_unit_of_a_block():
    assert [TINY.end(name) for name in TINY.boundaries] == [5, 1, 3, 4, 5, 6, 7, 9, 10]
    assert TINY.end(None) == TINY.head_index == 9
    with pytest.raises(UserError, match=r"no block 'Blok8'; did you mean 'Block8'"):
        TINY.end("Blok8")


@pytest.mark.parametrize(
    ("backbone", "train_from", "told"),
    [
        (V1, "Block_8", "no block 'Block_8'; did you mean 'Block8'?"),
        (V1, "Mixed_5b", "no block 'Mixed_5b'; did you mean 'Mixed_7a'?"),
        (V1, "MaxPool_3a_3x3", "no block 'MaxPool_3a_3x3'; did you mean '"),
        (V1, "Repeat_1/block17", "no block 'Repeat_1/block17'; did you mean 'Repeat_1/block17_"),
        (TINY, "?", "no block '?'; choose one of Repeat, Conv2d_1a_3x3, Mixed_5b, "),
    ],
)
def test_what_is_no_boundary_is_told_with_the_nearest(backbone, train_from, told):
    with pytest.raises(UserError, match=r"^no block") as caught:
        backbone.boundary(train_from)
    assert str(caught.value).startswith(told)


def test_blocks_with_variables_count_a_repeat_once():
    assert TINY.blocks == ("Conv2d_1a_3x3", "Mixed_5b", "Repeat", "Mixed_6a", "Block8", "Bottleneck", "Logits")


@pytest.mark.parametrize(
    ("variable", "unit"),
    [
        ("InceptionResnetV1/Repeat/block35_1/Conv2d_1x1/biases", "Repeat/block35_1"),
        ("InceptionResnetV1/Repeat_1/block17_10/Conv2d_1x1/biases", "Repeat_1/block17_10"),
        ("InceptionResnetV1/Block8/Branch_1/Conv2d_0a_1x1/BatchNorm/beta", "Block8"),
        ("Logits/weights", "Logits"),
        ("InceptionResnetV1/Logits/weights", None),
        ("InceptionResnetV2/Block8/Conv2d_1x1/biases", None),
        ("global_step", None),
    ],
)
def test_a_variable_belongs_to_the_unit_in_whose_scope_it_lies(variable, unit):
    assert V1.unit_of(variable) == unit
    if unit is None:
        with pytest.raises(ValueError, match="not in tuple"):
            V1.index_of(variable)
    else:
        assert V1.names[V1.index_of(variable)] == unit


def test_moving_statistics_and_the_head_are_told_by_their_names():
    assert TINY.is_statistic("Tiny/Block8/Branch_0/Conv2d_1x1/BatchNorm/moving_mean")
    assert TINY.is_statistic("Tiny/Bottleneck/BatchNorm/moving_variance")
    assert not TINY.is_statistic("Tiny/Bottleneck/BatchNorm/beta")
    assert TINY.is_head("Logits/biases")
    assert not TINY.is_head("Tiny/Bottleneck/weights")
    assert (TINY.embedding_weights, TINY.head_variables) == (
        "Tiny/Bottleneck/weights",
        ("Logits/weights", "Logits/biases"),
    )


def test_a_backbone_is_a_value():
    assert hash(V1) != hash(V2)
    with pytest.raises(AttributeError, match="cannot assign"):
        V1.scope = "Other"
