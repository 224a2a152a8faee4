"""Graphs are values, and say which batch normalization folds into the layer before it."""

from __future__ import annotations

import pytest

from finetune.backbones import Graph, Node, NumberedNames, chain, foldable, folded_graph, layer_kinds as kinds

NORM = kinds.BatchNormalization()


@pytest.mark.parametrize(
    ("nodes", "folds"),
    [
        (chain(("conv", kinds.Conv2D(4, (3, 3))), ("bn", NORM)), {"bn": "conv"}),
        (chain(("conv", kinds.Conv2D(4, (3, 3))), ("bn", NORM), ("bn_1", NORM)), {"bn": "conv"}),
        (chain(("conv", kinds.Conv2D(4, (3, 3), activation="relu")), ("bn", NORM)), {}),
        (chain(("pad", kinds.ZeroPadding2D(((1, 1), (1, 1)))), ("bn", NORM)), {}),
        (chain(("bn", NORM)), {}),
        (
            (
                *chain(("conv", kinds.Conv2D(4, (1, 1))), ("bn", NORM)),
                Node("add", kinds.Add(), ("bn", "conv")),
            ),
            {},
        ),
        (
            (
                *chain(("conv", kinds.Conv2D(4, (1, 1)))),
                Node("bn", NORM, ("conv",)),
                Node("bn_1", NORM, ("conv",)),
                Node("add", kinds.Add(), ("bn", "bn_1")),
            ),
            {},
        ),
    ],
    ids=["after conv", "two", "activation", "padding", "alone", "used elsewhere", "two of one"],
)
def test_batch_norm_folds_into_a_linear_layer_that_feeds_nothing_else(nodes, folds):
    assert foldable(Graph(nodes)) == folds
    kept = [node.layer for node in folded_graph(Graph(nodes)).nodes if node.name.startswith("bn")]
    assert kept.count(kinds.Identity()) == len(folds)


def test_kinds_with_equal_settings_are_not_equal():
    assert kinds.MaxPooling2D() != kinds.AveragePooling2D()
    assert len({kinds.Add(), kinds.Multiply(), kinds.Identity(), kinds.Add()}) == 3
    assert hash(Graph(chain(("add", kinds.Add())))) is not None


def test_a_folded_layer_has_a_bias():
    conv = kinds.Conv2D(4, (3, 3), use_bias=False)
    graph = Graph(chain(("conv", conv), ("bn", NORM), ("conv_1", conv)))
    assert [node.layer for node in folded_graph(graph).nodes] == [
        kinds.Conv2D(4, (3, 3), use_bias=True),
        kinds.Identity(),
        conv,
    ]


def test_a_chain_follows_the_node_before_it():
    assert chain(("a", NORM), ("b", NORM)) == (Node("a", NORM, ("",)), Node("b", NORM, ("a",)))
    assert chain(("a", NORM), after="x") == (Node("a", NORM, ("x",)),)


def test_names_are_numbered_by_kind_as_in_keras():
    names = NumberedNames()
    kinds_of_layers = ("conv2d", "add", "conv2d", "conv2d", "add")
    assert [names.next(kind) for kind in kinds_of_layers] == ["conv2d", "add", "conv2d_1", "conv2d_2", "add_1"]
