"""The compiled forward pass gives the network's own values sooner, with the weights as they are at a refresh."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.errors import UserError
from finetune.images.preprocessing import Preprocessing

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402
from finetune.images.standardization import standardize  # noqa: E402
from finetune.runtime import inference, openvino  # noqa: E402

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")
SIZE = 75
BIASES = "InceptionResnetV1/Bottleneck/BatchNorm/beta"


@pytest.fixture(scope="module")
def make(variables):
    def make(precision="float32", runtime="tensorflow"):
        if runtime == "openvino":
            pytest.importorskip("openvino")
        made = inference.Inference(V1, variables, Preprocessing(SIZE, "fixed"), precision, runtime)
        made.refresh()
        return made

    return make


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(256, size=(100, SIZE, SIZE, 3), dtype=np.uint8)


RUNTIMES = pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])


@pytest.mark.slow
@RUNTIMES
@pytest.mark.parametrize("stop", [0, V1.boundary("Repeat"), V1.boundary("Block8"), V1.head_index, len(V1.units)])
def test_gives_what_the_network_gives_in_one_call(make, variables, pixels, stop, runtime):
    expected = network.forward_pass(V1, standardize(pixels, "fixed"), variables, slice(0, stop))
    given = make(runtime=runtime)(pixels, stop)
    assert given.dtype == tf.float32
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 7, 24, 48, 49, 100])
def test_any_number_of_images_passes_in_their_order_by_one_trace(make, pixels, n):
    forward = make()
    expected = np.concatenate([forward(pixels[i : i + 1], V1.head_index) for i in range(n)])
    compiled = dict(forward._engine._passes)
    np.testing.assert_allclose(forward(pixels[:n], V1.head_index), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(forward(pixels[:n], V1.head_index, pad=True), expected, rtol=1e-4, atol=1e-5)
    assert forward._engine._passes == compiled


def test_openvino_sets_up_numpy_before_threads_infer(make, monkeypatch):
    """Two threads that do it at once may wait for each other for ever."""
    package = pytest.importorskip("openvino")
    tensor, made = package.Tensor, []
    monkeypatch.setattr(package, "Tensor", lambda *given: made.append(threading.current_thread()) or tensor(*given))
    make(runtime="openvino")._engine.compiled(V1.head_index)
    assert made == [threading.current_thread()]


@RUNTIMES
def test_an_image_gives_the_same_bits_in_each_pass(make, pixels, runtime):
    forward = make(runtime=runtime)
    first, second = forward(pixels, V1.head_index).numpy(), forward(pixels, V1.head_index).numpy()
    assert first.tobytes() == second.tobytes()


@pytest.mark.slow
@RUNTIMES
def test_weights_that_changed_are_taken_over_at_the_next_refresh(make, variables, pixels, runtime):
    forward = make(runtime=runtime)
    before = forward(pixels[:2], V1.head_index).numpy()
    variables[BIASES].assign_add(tf.ones_like(variables[BIASES]))
    np.testing.assert_array_equal(forward(pixels[:2], V1.head_index), before)
    forward.refresh()
    np.testing.assert_allclose(forward(pixels[:2], V1.head_index), before + 1, atol=1e-5)
    variables[BIASES].assign_sub(tf.ones_like(variables[BIASES]))


def test_bfloat16_convolutions_give_nearly_the_float32_prelogits(make, pixels):
    full = make()(pixels[:24], V1.head_index).numpy()
    half = make("bfloat16")(pixels[:24], V1.head_index).numpy()
    assert half.dtype == np.float32
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    assert 0.999 < cosine.min() < 1 - 1e-7  # near, and not the same computation


def test_in_bfloat16_all_convolutions_but_the_first_are_computed_in_it_and_the_rest_in_float32(make):
    operations = make("bfloat16")._engine.compiled(len(V1.units)).graph.get_operations()
    first, *others = (operation.outputs[0].dtype for operation in operations if operation.type == "Conv2D")
    assert first == tf.float32
    assert set(others) == {tf.bfloat16}
    assert {op.outputs[0].dtype for op in operations if op.type == "MatMul"} == {tf.float32}


def test_unchanged_weights_are_not_compiled_again(make):
    forward = make(runtime="openvino")
    first = forward._engine.compiled(V1.boundary("Repeat"))
    forward.refresh()
    assert forward._engine.compiled(V1.boundary("Repeat")) is first


def test_a_runtime_that_is_not_installed_is_one_line(make, monkeypatch):
    monkeypatch.setattr(openvino.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'facenet-finetune\[openvino\]', or use tensorflow"):
        inference.Inference(V1, {}, Preprocessing(SIZE, "fixed"), runtime="openvino")
