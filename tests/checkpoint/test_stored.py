"""Every format gives the values that TensorFlow 1 stored. Damage is found and reported in one line."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from finetune.backbones import by_name
from finetune.checkpoint.location import locate
from finetune.checkpoint.plan import plan_restore
from finetune.checkpoint.stored import StoredCheckpoint, file_digests, read
from finetune.errors import CheckpointError

pytestmark = pytest.mark.tf

v1 = tf.compat.v1
WEIGHTS, BIASES = "InceptionResnetV1/Bottleneck/weights", "Logits/biases"
GOLDEN = {
    WEIGHTS: np.arange(12, dtype=np.float32).reshape(4, 3),
    BIASES: np.arange(3, dtype=np.float32) / 8,
}


def golden_variables() -> dict[str, tf.Variable]:
    return {
        name: v1.get_variable(name, initializer=value, use_resource=False) for name, value in sorted(GOLDEN.items())
    }


def save(path: Path, **saver_options: object) -> Path:
    """Write a checkpoint with TensorFlow's own Saver, from a graph and a session as in FaceNet's scripts."""
    with tf.Graph().as_default(), v1.Session() as session:
        golden_variables()
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(**saver_options)
        return Path(saver.save(session, str(path), global_step=7, write_meta_graph=False))


def freeze(path: Path) -> Path:
    """Write a graph frozen by `tf.graph_util`, with one constant that is not a variable."""
    with tf.Graph().as_default(), v1.Session() as session:
        variables = golden_variables()
        scale = tf.constant([2.0], name="scale")
        tf.add(tf.matmul(tf.ones([1, 4]), variables[WEIGHTS]) * scale, variables[BIASES], name="embeddings")
        session.run(v1.global_variables_initializer())
        graph = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), ["embeddings"])
    path.write_bytes(graph.SerializeToString())
    return path


def save_sharded(path: Path) -> Path:
    return save(path, sharded=True)


def save_in_the_first_format(path: Path) -> Path:
    return save(path, write_version=v1.train.SaverDef.V1)


def read_whole(path: Path) -> dict[str, np.ndarray]:
    stored = read(locate(path))
    return stored.tensors(stored.shapes)


def problem(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_whole(path)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("make", [save, save_sharded, save_in_the_first_format, freeze])
def test_every_format_gives_the_same_values(tmp_path: Path, make) -> None:
    stored = read(locate(make(tmp_path / "golden.pb")))
    assert stored.shapes == {name: value.shape for name, value in GOLDEN.items()}
    values = stored.tensors(stored.shapes)
    for name, value in GOLDEN.items():
        assert stored.dtypes[name] == values[name].dtype == np.float32
        np.testing.assert_array_equal(values[name], value)


def test_digests_are_of_the_files_that_hold_values(tmp_path: Path) -> None:
    prefix = save(tmp_path / "golden.ckpt")
    files = [Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")]
    assert file_digests(locate(prefix)) == {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_all_that_facenets_optimizers_and_averages_leave_is_skipped(tmp_path: Path) -> None:
    optimizers = (
        v1.train.AdamOptimizer(0.1),
        v1.train.AdagradOptimizer(0.1),
        v1.train.AdadeltaOptimizer(0.1),
        v1.train.RMSPropOptimizer(0.1, momentum=0.9),
        v1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    )
    with tf.Graph().as_default(), v1.Session() as session:
        variables = golden_variables()
        step = v1.Variable(0, trainable=False)
        loss = tf.reduce_sum(tf.matmul(tf.ones([1, 4]), variables[WEIGHTS]) + variables[BIASES])
        for optimizer in optimizers:
            optimizer.minimize(loss, global_step=step)
        v1.train.ExponentialMovingAverage(0.9999).apply(list(variables.values()))
        session.run(v1.variables_initializer(variables.values()))  # the averages start from these
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "all"), write_meta_graph=False)
    shapes = read(locate(path)).shapes
    plan = plan_restore(by_name("inception_resnet_v1"), shapes, {name: value.shape for name, value in GOLDEN.items()})
    assert set(plan.restored) == set(GOLDEN)
    # Slots of two variables: Adam 2, Adagrad 1, Adadelta 2, RMSProp 2, momentum 1, the averages 1; and 3 scalars.
    assert len(plan.skipped) == 2 * 9 + 3


def test_a_changed_byte_of_the_values_never_passes(tmp_path: Path) -> None:
    prefix = save(tmp_path / "golden.ckpt")
    data = Path(f"{prefix}.data-00000-of-00001")
    good = data.read_bytes()
    for i in range(len(good)):
        data.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        assert problem(prefix).startswith(f"{prefix} ")


@pytest.mark.parametrize("make", [save, freeze])
def test_a_file_cut_short_never_gives_wrong_values(tmp_path: Path, make) -> None:
    path = make(tmp_path / "golden.pb")
    for file in locate(path).files:
        good = file.read_bytes()
        for size in range(0, len(good), 5):
            file.write_bytes(good[:size])
            try:
                values = read_whole(path)
            except CheckpointError:
                continue
            # A graph has no end mark: cut between two nodes it is a smaller graph, and the plan misses the rest.
            assert make is freeze
            assert all(np.array_equal(values[name], GOLDEN[name]) for name in values)
        file.write_bytes(good)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (".index", "{path}: damaged, or can't be read (no table of variables); copy the checkpoint again"),
        (".pb", "{path}: is not a frozen graph, or it is damaged ("),
    ],
)
def test_garbage_is_one_line(tmp_path: Path, suffix: str, message: str) -> None:
    path = tmp_path / f"model.ckpt-1{suffix}"
    path.write_bytes(random.Random(1).randbytes(999))
    (tmp_path / "model.ckpt-1.data-00000-of-00001").touch()
    assert problem(path).startswith(message.format(path=path))


def test_a_graph_without_variables_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="scale")
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    assert problem(path) == f"{path}: holds no frozen variables; freeze it with them, or give a TF1 checkpoint"


def test_values_that_can_not_be_trained_on_are_refused(tmp_path: Path) -> None:
    prefix = str(tmp_path / "diverged")
    values = {"a": [1.0], "b": [1.0, np.nan], "c": [-np.inf], "d": np.float16([1]), "e": [1]}
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=[*values],
            shape_and_slices=[""] * 5,
            tensors=[*map(tf.constant, values.values())],
        )
    stored = read(locate(prefix))
    assert problems(stored, "abc") == (
        f"{prefix}: NaN or infinite values in 2 of 3 variables, b the first; take an earlier step",
    )
    assert problems(stored, "abcde") == (
        f"{prefix} d: stored as float16; the network needs float32",
        f"{prefix} e: stored as int32; the network needs float32",
    )


def problems(stored: StoredCheckpoint, names: str) -> tuple[str, ...]:
    with pytest.raises(CheckpointError) as caught:
        stored.tensors(names)
    return tuple(map(str, caught.value.problems))


def test_a_path_that_tensorflow_takes_for_a_pattern_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "[x]").mkdir()
    prefix = save(tmp_path / "[x]" / "golden.ckpt")
    assert problem(prefix) == f"{prefix}: TensorFlow opens no path with '[' or '\\' in it; rename it"


@pytest.mark.real
def test_the_real_checkpoint_is_read_whole(shared: Path) -> None:
    stored = read(locate(shared / "facenet"))
    body = [name for name in stored.shapes if name.startswith("InceptionResnetV1/")]
    assert (len(stored.shapes), len(body)) == (492, 490)
    assert stored.shapes["Logits/weights"] == (512, 739)
    assert sum(value.size for value in stored.tensors(body).values()) == 23_497_424


def graph_of(**dims: tuple[int, ...]) -> tf.compat.v1.GraphDef:
    """Return a graph of constants that claim these shapes and hold one value."""
    graph = v1.GraphDef()
    for name, sides in dims.items():
        tensor = graph.node.add(name=f"Logits/{name}", op="Const").attr["value"].tensor
        tensor.dtype = 1
        tensor.float_val.append(0.5)
        for side in sides:
            tensor.tensor_shape.dim.add(size=side)
    return graph


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ((2**40, 2**10), "Logits/weights says that it has 1125899906842624 values, which are not there"),
        ((2**40, 2**40), "Logits/weights says that it has 1208925819614629174706176 values, which are not there"),
        ((-3, 4), "Logits/weights has no shape: [-3, 4]"),
    ],
)
def test_a_frozen_graph_whose_shapes_lie_is_refused_before_anything_is_made(tmp_path, sides, reason):
    path = tmp_path / "graph.pb"
    path.write_bytes(graph_of(weights=sides).SerializeToString())
    assert problem(path).startswith(f"{path}: is not a frozen graph, or it is damaged ({reason}")


def test_two_constants_of_one_name_are_refused(tmp_path):
    graph = graph_of(weights=(2, 3), biases=(3,))
    graph.node.add().CopyFrom(graph.node[0])
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    assert f"{path}: is not a frozen graph, or it is damaged (Logits/weights stands in it twice)" in problem(path)


def test_a_constant_of_one_value_for_all_is_read(tmp_path):
    path = tmp_path / "graph.pb"
    path.write_bytes(graph_of(biases=(3,)).SerializeToString())
    np.testing.assert_array_equal(read(locate(path)).tensor("Logits/biases"), [0.5] * 3)
