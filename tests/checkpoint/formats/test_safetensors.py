"""The values of a safetensors file are read exactly. Any other file with its suffix is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.checkpoint.location import locate
from finetune.checkpoint.stored import StoredCheckpoint, read
from finetune.errors import CheckpointError

pytestmark = pytest.mark.tf

VALUES = {
    "InceptionResnetV1/Bottleneck/weights": np.arange(12, dtype="<f4").reshape(4, 3) / 8,
    "Logits/biases": np.array([0.5, -2, 3], "<f4"),
    "Variable": np.array(7, "<i8"),
}
TYPES = {"<f4": "F32", "<i8": "I64"}


def content(values: dict[str, np.ndarray]) -> bytes:
    """Return the bytes of a file according to the format's description: a length, a JSON header, the values."""
    header, data = {}, b""
    for name, value in values.items():
        end = len(data) + value.nbytes
        dtype = TYPES[value.dtype.str]
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), end]}
        data += value.tobytes()
    return packed(json.dumps(header).encode(), data)


def packed(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "20200102-030405.safetensors"
    path.write_bytes(content(VALUES))
    return path


def weights(path: Path) -> dict[str, np.ndarray]:
    stored = read(locate(path))
    return stored.tensors([name for name in stored.shapes if name != "Variable"])


def problem(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        weights(path)
    (found,) = map(str, caught.value.problems)
    assert "\n" not in found
    return found


def test_the_values_come_back_as_they_were_written(file: Path):
    for given_path in (file, file.parent):
        located = locate(given_path)
        assert (located.format.name, located.name, located.files) == ("safetensors", "20200102-030405", (file,))
        stored = read(located)
        assert stored.shapes == {name: value.shape for name, value in VALUES.items()}
        for name, value in VALUES.items():
            assert stored.dtypes[name] == value.dtype
            np.testing.assert_array_equal(stored.tensor(name), value)


def test_whole_numbers_are_refused_by_their_name(file: Path):
    file.write_bytes(content({**VALUES, "Logits/biases": np.zeros(3, "<i8")}))
    assert problem(file) == f"{file} Logits/biases: stored as int64; the network needs float32"


def test_half_precision_is_read_by_its_name(file: Path):
    header = {"Logits/biases": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    file.write_bytes(packed(json.dumps(header).encode(), bytes([0x80, 0x3F] * 3)))
    stored = read(locate(file))
    assert stored.dtypes["Logits/biases"].name == "bfloat16"
    np.testing.assert_array_equal(stored.tensor("Logits/biases").astype("f4"), [1, 1, 1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(7), "header too small"),
        (b"\xff" * 9, "header too large"),
        (packed(b'{"a": {"dtype": "F8_E5M2", "shape": [1], "data_offsets": [0, 1]}}', b"0"), "a is of F8_E5M2"),
        (packed(b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}', b"0000"), ""),
        (packed(b'{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 4]}}', b"0000"), ""),
    ],
)
def test_another_file_of_that_suffix_is_one_line(file: Path, data: bytes, reason: str):
    file.write_bytes(data)
    said = problem(file)
    assert said.startswith(f"{file}: is not a safetensors file, or it is damaged (")
    assert reason in said
    assert said.endswith("; copy it again, or give a TF1 checkpoint")


def test_a_file_cut_anywhere_is_one_line(file: Path):
    whole = file.read_bytes()
    for size in range(1, len(whole)):
        file.write_bytes(whole[:size])
        assert problem(file).startswith(f"{file}: is not a safetensors file, or it is damaged (")


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_header_never_ends_in_anything_but_values_or_one_line(tmp_path_factory, place, byte):
    file = tmp_path_factory.mktemp("changed") / "model.safetensors"
    whole = bytearray(content(VALUES))
    whole[place % len(whole)] = byte
    file.write_bytes(whole)
    try:
        found = weights(file)
    except CheckpointError:
        assert "\n" not in problem(file)
    else:
        assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in found.values())


def test_a_model_is_restored_from_it(drawn_checkpoint: Path, tmp_path: Path):
    from finetune.model import Model

    stored = read(locate(drawn_checkpoint))
    file = tmp_path / "model.safetensors"
    values = stored.tensors(network(stored))
    file.write_bytes(content(values))
    restored = Model.restore(file)
    assert set(restored.variables) == set(values)
    for name, value in restored.tensors(restored.variables).items():
        np.testing.assert_array_equal(value, values[name])


def network(stored: StoredCheckpoint) -> list[str]:
    return [name for name in stored.shapes if name.startswith(("InceptionResnetV1/", "Logits/"))]
