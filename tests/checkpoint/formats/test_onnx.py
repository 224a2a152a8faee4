"""The weights of an ONNX model are read by name, without the package onnx. Any other file is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from finetune.checkpoint.formats import wire
from finetune.checkpoint.formats.onnx import FORMAT
from tests import weight_files
from tests.weight_files import raw, refused_mutants, same, values

pytestmark = pytest.mark.tf

KERNEL, BIAS = np.arange(24, dtype="f4").reshape(4, 3, 1, 2) / 8, np.array([0.5, -2, 3, 4], "f4")


def written(path: Path, *tensors: Any) -> Path:
    """Write a model with one convolution and these initializers, as the package onnx writes it."""
    images, made = (helper.make_tensor_value_info(name, 1, None) for name in ("images", "made"))
    node = helper.make_node("Conv", ["images", "kernel", "bias"], ["made"])
    model = helper.make_model(helper.make_graph([node], "small", [images], [made], [*tensors]))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return written(
        tmp_path / "m.onnx", numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(BIAS, "bias")
    )


def problem(path: Path) -> str:
    return weight_files.problem(FORMAT, path)


def test_initializers_have_their_own_names_and_values(file):
    same(values(FORMAT, file), {"kernel": KERNEL, "bias": BIAS})


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8"])
def test_values_are_read_as_raw_bytes_and_as_lists(tmp_path, dtype, raw):
    value = np.array([[1, -2, 3], [0, -700, 5]]).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor = helper.make_tensor("a", kind, value.shape, value.tobytes() if raw else value, raw)
    same(values(FORMAT, written(tmp_path / "m.onnx", tensor)), {"a": value})


def test_an_array_without_values_and_a_number_are_read(tmp_path):
    expected = {"none": np.zeros((0, 3), "f4"), "one": np.array(7, "i8")}
    tensors = [numpy_helper.from_array(value, name) for name, value in expected.items()]
    same(values(FORMAT, written(tmp_path / "m.onnx", *tensors)), expected)


def test_settings_of_the_graph_of_other_types_are_left_out(tmp_path):
    others = {"flag": np.array([True]), "zero": np.array(0, "u1"), "words": np.array(["a", "b"], object)}
    tensors = [numpy_helper.from_array(value, name) for name, value in (others | {"kernel": KERNEL}).items()]
    same(values(FORMAT, written(tmp_path / "m.onnx", *tensors)), {"kernel": KERNEL})


def test_half_precision_is_refused_by_a_restore_alone(tmp_path):
    path = written(tmp_path / "m.onnx", numpy_helper.from_array(KERNEL.astype("f2"), "kernel"))
    with pytest.raises(Exception, match="kernel: stored as float16; the network needs float32"):
        weight_files.opened(FORMAT, path).tensors(["kernel"])


@pytest.mark.parametrize("dtype", ["i1", "u1"])
def test_quantized_weights_are_refused(tmp_path, dtype):
    path = written(tmp_path / "m.onnx", numpy_helper.from_array(KERNEL.astype(dtype), "kernel_quantized"))
    found = "holds quantized weights, from which no training can start; give the float32 model"
    assert problem(path) == f"{path}: {found}"


def test_weights_in_another_file_are_refused(file):
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert problem(file) == f"{file}: keeps its weights in another file; save it in one file"


def test_a_model_without_weights_is_refused(tmp_path):
    assert "holds no weights; " in problem(written(tmp_path / "m.onnx"))


def declared(dims: list[int], **fields: Any) -> Any:
    return TensorProto(name="kernel", data_type=1, dims=dims, **fields)


LIES = {
    "a shape without values": (declared([4, 3]), "kernel has 0 values, where its shape says 12"),
    "a shape of more values": (declared([4, 3], raw_data=bytes(40)), "kernel has 10 values, where its shape says 12"),
    "a shape of fewer values": (declared([4], float_data=[1.0] * 5), "kernel has 5 values, where its shape says 4"),
    "half a value": (declared([2], raw_data=bytes(7)), "buffer size must be a multiple"),
    "a negative side": (declared([-4], raw_data=bytes(16)), "18446744073709551612 values, which are not there"),
    "more than the file": (declared([2**20, 2**20]), "1099511627776 values, which are not there"),
    "more than any network": (declared([2**40] * 30), "which are not there"),
    "300 dimensions": (declared([1] * 300), "a tensor of more than 32 dimensions"),
    "a name with a bell": (TensorProto(name="a\a", data_type=1), r"or one of the name 'a\x07'"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tensor_that_lies_is_one_line(tmp_path, lie):
    tensor, reason = LIES[lie]
    assert reason in problem(written(tmp_path / "m.onnx", tensor))


def test_a_name_that_stands_twice_is_one_line(tmp_path):
    tensor = numpy_helper.from_array(BIAS, "bias")
    assert "bias stands in it twice" in problem(written(tmp_path / "m.onnx", tensor, tensor))


def test_sparse_weights_are_one_line(tmp_path):
    path = written(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.sparse_initializer.add()
    path.write_bytes(model.SerializeToString())
    assert "sparse weights" in problem(path)


@pytest.mark.parametrize("content", [b"\xff" * 9, b"\x80" * 20, b"\x08\x07", b"\x0b\x0b", b"\x00"])
def test_another_file_of_that_suffix_is_one_line(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert problem(path).startswith(f"{path}: is not an ONNX model, or it is damaged (")


def test_a_file_cut_anywhere_is_one_line(file):
    whole = file.read_bytes()
    for size in range(len(whole) - 12):  # the version of the operators follows the graph
        file.write_bytes(whole[:size])
        assert problem(file).startswith(f"{file}: ")


def test_mutants_are_read_or_refused_in_one_line(file):
    assert 50 < refused_mutants(FORMAT, file) < 200


def test_the_fields_of_a_message_are_those_that_protobuf_writes():
    message = memoryview(declared([3, 2**40], float_data=[0.5, 2]).SerializeToString())
    found = [(field, value if isinstance(value, int) else bytes(value)) for field, value in wire.fields(message)]
    floats = np.array([0.5, 2], "<f4").tobytes()
    assert found == [(1, 3), (1, 2**40), (2, 1), (4, floats), (8, b"kernel")]
    assert [*wire.numbers(memoryview(b"\x03\xac\x02"))] == [3, 300]


@pytest.mark.parametrize(
    "message", [b"\x0a\x05ab", b"\x0d\0\0", b"\x09\0", b"\x0b", b"\x02\x00", b"\x08" + b"\xff" * 11]
)
def test_bytes_that_are_no_message_are_refused(message):
    with pytest.raises(ValueError, match=r"not a message, or a cut one|a number without end"):
        [*wire.fields(memoryview(message))]


@pytest.mark.slow
@pytest.mark.real
def test_the_export_of_a_real_checkpoint_is_read_by_its_tf1_names(shared, tmp_path):
    from finetune import Model
    from finetune.export.formats import Content, find
    from finetune.export.formats.serving import folded

    content, folder = Content.of(Model.restore(shared / "facenet"), head=False), tmp_path / "mine"
    folder.mkdir()
    find("onnx").write(content, folder)
    found, expected = raw(FORMAT, folder / "mine.onnx"), folded(content)
    same({name: found[name] for name in expected}, expected)
    assert len(expected) == 266
