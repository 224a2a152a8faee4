"""An ONNX model names its weights as the checkpoint does, and computes the checkpoint's values in a fresh process."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

pytest.importorskip("tensorflow")
from onnx import helper, numpy_helper

from finetune.agreement import agreements
from finetune.export import process
from finetune.export.exporter import probes
from finetune.export.formats import Content, find
from finetune.export.formats.onnx import name_weights
from finetune.export.formats.serving import folded
from finetune.images.preprocessing import Preprocessing
from finetune.model import Model
from tests.tiny import TINY

pytestmark = pytest.mark.tf


def constants(graph) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("head", [False, True])
def test_every_folded_weight_is_found_by_its_tf1_name(head, equal, random_variables, tmp_path):
    variables = random_variables(TINY)
    if equal:  # tf2onnx keeps one constant of several equal ones
        for name, variable in variables.items():
            if name.endswith("Repeat/block35_2/Conv2d_1x1/weights"):
                variable.assign(variables[name.replace("block35_2", "block35_1")])
            if name.endswith("Conv2d_1x1/biases"):
                variable.assign(np.full(variable.shape, 0.5))
    content = Content.of(Model(TINY, variables, Preprocessing(75), ("ann", "bob", "cid")), head=head)
    folder = tmp_path / "mine"
    folder.mkdir()
    find("onnx").write(content, folder)
    model = onnx.load(folder / "mine.onnx")
    onnx.checker.check_model(model)
    found, weights = constants(model.graph), folded(content)
    assert set(weights) <= set(found)
    for name, value in weights.items():
        expected = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
    assert {name for node in model.graph.node for name in node.input} >= set(found)


def test_a_named_model_computes_the_checkpoint_s_values(random_variables, tmp_path):
    model, folder = Model(TINY, random_variables(TINY), Preprocessing(75), ("ann", "bob", "cid")), tmp_path / "mine"
    folder.mkdir()
    find("onnx").write(Content.of(model, head=True), folder)
    pixels = probes(Preprocessing(75))[:5]
    answer = process.answer(find("onnx"), folder, pixels, tmp_path, "mine")
    expected = {"embeddings": model.embed(pixels), "logits": model.logits(pixels)}
    found = agreements(expected, {name: answer.outputs[name] for name in expected})
    assert found["embeddings"].largest_difference < 1e-5
    assert found["logits"].largest_difference < 1e-4


def graph(uses: list[list[str]], stored: dict[str, np.ndarray]):
    nodes = [helper.make_node("Add", inputs, [f"made_{number}"]) for number, inputs in enumerate(uses)]
    return helper.make_graph(
        nodes, "g", [], [], [numpy_helper.from_array(value, name) for name, value in stored.items()]
    )


ONE, TWO = np.array([1.0, 2], "f4"), np.array([3.0, 4], "f4")


@pytest.mark.parametrize(
    ("uses", "stored", "weights", "expected"),
    [
        ([["x", "c"]], {"c": ONE}, {"a": ONE}, [["x", "a"]]),
        ([["x", "c"], ["x", "c"]], {"c": ONE}, {"a": ONE, "b": ONE}, [["x", "a"], ["x", "b"]]),
        ([["x", "c"], ["x", "d"]], {"c": ONE, "d": ONE}, {"a": ONE, "b": ONE}, [["x", "a"], ["x", "b"]]),
        ([["x", "c"], ["x", "c"]], {"c": ONE}, {"a": ONE}, [["x", "a"], ["x", "a"]]),
        ([["x", "c"], ["x", "d"]], {"c": ONE, "d": TWO}, {"a": TWO}, [["x", "c"], ["x", "a"]]),
        ([["x", "c"]], {"c": ONE.reshape(2, 1)}, {"a": ONE}, [["x", "c"]]),
    ],
)
def test_each_use_of_a_constant_takes_the_next_name_with_its_values(uses, stored, weights, expected):
    changed = graph(uses, stored)
    name_weights(changed, weights)
    assert [list(node.input) for node in changed.node] == expected
    found = constants(changed)
    assert set(found) == {name for _, name in expected}
    for (_, before), (_, after) in zip(uses, expected, strict=True):
        np.testing.assert_array_equal(found[after], stored[before])
