"""Checkpoints are written as TensorFlow 1's Saver would write them. A failed write leaves nothing behind."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from finetune.checkpoint.location import locate
from finetune.checkpoint.saver import _state, write
from finetune.checkpoint.stored import file_digests, read
from finetune.errors import RunError

pytestmark = pytest.mark.tf

TENSORS = {
    "Logits/weights": np.arange(6, dtype=np.float32).reshape(3, 2),
    "Logits/biases": np.array([-0.0, np.float32(1e-45)], np.float32),
    "global_step": np.int64(1 << 40),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Limit every file to `free` bytes within a `with` block, as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_every_bit_comes_back(tmp_path: Path) -> None:
    prefix = write(tmp_path / "new" / "folder", "mine", 12, TENSORS)
    assert prefix == tmp_path / "new" / "folder" / "model-mine.ckpt-12"
    stored = read(locate(prefix))
    assert sorted(stored.shapes) == sorted(TENSORS)
    for name, value in TENSORS.items():
        assert stored.tensor(name).dtype == value.dtype
        assert stored.tensor(name).tobytes() == value.tobytes()


def test_a_tf1_graph_restores_it_by_name(tmp_path: Path) -> None:
    prefix = write(tmp_path, "mine", 0, TENSORS)
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("Logits/weights", [3, 2], initializer=v1.zeros_initializer(), use_resource=False)
        v1.train.Saver().restore(session, str(prefix))
        np.testing.assert_array_equal(session.run(variable), TENSORS["Logits/weights"])


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a", "x", 1, TENSORS, {"class_names.txt": "A\nB\n"})
    write(tmp_path / "b", "x", 1, dict(reversed(TENSORS.items())), {"class_names.txt": "A\nB\n"})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("name", ["mine", "last block", "modèle", 'a "quoted" one'])
def test_a_folder_that_was_moved_still_names_its_checkpoint(tmp_path: Path, name: str) -> None:
    write(tmp_path / "old", name, 3, TENSORS, {"class_names.txt": "A\nÉ\n"})
    moved = (tmp_path / "old").rename(tmp_path / "new")
    assert locate(moved).name == f"model-{name}.ckpt-3"
    assert tf.train.latest_checkpoint(str(moved)) == str(moved / f"model-{name}.ckpt-3")
    assert (moved / "class_names.txt").read_bytes() == "A\nÉ\n".encode()
    assert sorted(contents(moved)) == sorted(
        ["checkpoint", "class_names.txt", *(f"model-{name}.ckpt-3{s}" for s in (".index", ".data-00000-of-00001"))]
    )


@pytest.mark.parametrize("free", [0, 20, 60, 150])
def test_a_full_disk_keeps_the_last_checkpoint_and_leaves_no_half_of_the_next(tmp_path: Path, free: int) -> None:
    write(tmp_path, "x", 1, TENSORS)
    before = contents(tmp_path)
    prefix = tmp_path / "model-x.ckpt-2"
    with pytest.raises(RunError) as caught, full_disk(free):
        write(tmp_path, "x", 2, TENSORS)
    assert str(caught.value) == f"{prefix}: can't be written (File too large); make room, or choose another folder"
    assert contents(tmp_path) == before


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(RunError, match=r"taken/model-x\.ckpt-1: can't be written \(File exists\); "):
        write(tmp_path / "taken", "x", 1, TENSORS)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.real
def test_the_real_checkpoint_is_written_with_the_bytes_that_tensorflow_1_gave_it(shared: Path, tmp_path: Path) -> None:
    located = locate(shared / "facenet")
    stored = read(located)
    ours = locate(write(tmp_path, "copy", 1, stored.tensors(stored.shapes)))
    assert list(file_digests(ours).values()) == list(file_digests(located).values())


@pytest.mark.parametrize("name", ["mine", 'a "b"', "a\\b", '\\"', "é"])
def test_the_state_file_reads_back_as_protocol_buffers_do(name: str) -> None:
    state = text_format.Parse(_state(name), CheckpointState())
    assert (state.model_checkpoint_path, list(state.all_model_checkpoint_paths)) == (name, [name])


def test_writing_leaves_no_file_open(tmp_path: Path) -> None:
    write(tmp_path / "first", "mine", 0, TENSORS)
    before = len(list(Path("/proc/self/fd").iterdir()))
    write(tmp_path / "second", "mine", 0, TENSORS)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
