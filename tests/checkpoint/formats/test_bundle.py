"""The variables of a Saver's files are TensorFlow's, byte for byte. Damaged and lying files are one line."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.checkpoint.formats.bundle import NUMBERS, TYPES, read_bundle
from finetune.checkpoint.location import locate
from finetune.checkpoint.stored import StoredCheckpoint, read
from finetune.errors import CheckpointError
from tests.checkpoint.formats.tables import resealed, table
from tests.mutants import mutated

pytest.importorskip("tensorflow")
import tensorflow as tf
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

pytestmark = pytest.mark.tf

BIASES = b"Logits/biases"
MUTANTS = int(os.environ.get("FINETUNE_MUTANTS", "100"))
"""Number of mutants of each file."""


@pytest.fixture
def model(drawn_checkpoint, tmp_path) -> Path:
    shutil.copytree(drawn_checkpoint, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def entries(model) -> list[tuple[bytes, bytes]]:
    """Return the header and some variables of the drawn checkpoint's index, as TensorFlow itself reads it."""
    found = read(locate(model))
    entries = [(b"", BundleHeaderProto(num_shards=1).SerializeToString())]
    for name in [*sorted(found.shapes)[:20], "Logits/biases"]:
        entry = BundleEntryProto(dtype=1, size=4 * max(1, found.tensor(name).size))
        for side in found.shapes[name]:
            entry.shape.dim.add(size=side)
        entries.append((name.encode(), entry.SerializeToString()))
    return entries


def rewritten(model: Path, entries: list[tuple[bytes, bytes]]) -> Path:
    path = next(model.glob("*.index"))
    path.write_bytes(table(entries))
    return path


def changed(entries: list[tuple[bytes, bytes]], **values: object) -> list[tuple[bytes, bytes]]:
    """Return the entries with the biases' entry changed."""
    entry = BundleEntryProto.FromString(dict(entries)[BIASES])
    for name, value in values.items():
        if name == "dims":
            del entry.shape.dim[:]
            for side in value:
                entry.shape.dim.add(size=side)
        elif name == "slices":
            entry.slices.add().extent.add(start=-(2**40), length=7)
        elif name == "unknown_rank":
            entry.shape.unknown_rank = True
        else:
            setattr(entry, name, value)
    return [(key, entry.SerializeToString() if key == BIASES else old) for key, old in entries]


def test_a_table_that_is_written_anew_is_read_as_before(model, entries):
    shapes = read(locate(model)).shapes
    rewritten(model, entries)
    found = read(locate(model)).shapes
    assert found == {name: shapes[name] for name in found}
    assert len(found) == 21


LIES = {
    "a negative side": ({"dims": [-5]}, "Logits/biases: of no shape"),
    "a product beyond any number": ({"dims": [2**40, 2**40]}, "Logits/biases: larger than any file"),
    "300 dimensions": ({"dims": [1] * 300}, "Logits/biases: of no shape (300 dimensions"),
    "an unknown rank": ({"unknown_rank": True}, "Logits/biases: of no shape"),
    "a type of a reference": ({"dtype": 101}, "Logits/biases: of no type (101)"),
    "no type": ({"dtype": 0}, "Logits/biases: of no type (0)"),
    "a place before the file": ({"offset": -1}, "Logits/biases: larger than any file"),
    "a negative size": ({"size": -1}, "Logits/biases: larger than any file"),
    "a data file of others": ({"shard_id": 5}, "Logits/biases: in data file 5 of 1"),
    "slices": ({"slices": True}, "Logits/biases: stored in slices"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_entry_that_lies_is_one_line(model, entries, lie):
    values, problem = LIES[lie]
    path = rewritten(model, changed(entries, **values))
    with pytest.raises(CheckpointError) as refused:
        read(locate(model))
    (line,) = map(str, refused.value.problems)
    assert line.startswith(f"{path}: ")
    assert problem in line


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (BundleHeaderProto(num_shards=0), "says that it has 0 data files"),
        (BundleHeaderProto(num_shards=2**31 - 1), "says that it has 2147483647 data files"),
        (BundleHeaderProto(num_shards=1, endianness=1), "big-endian"),
        (BundleHeaderProto(num_shards=1, version={"min_consumer": 2}), "version 2 of the format"),
    ],
)
def test_a_header_that_lies_is_one_line(model, entries, header, problem):
    rewritten(model, [(b"", header.SerializeToString()), *entries[1:]])
    with pytest.raises(CheckpointError, match=problem):
        read(locate(model))


def test_garbage_in_place_of_an_entry_is_one_line(model, entries):
    rewritten(model, [(key, b"\xff\xff\xff" if key == BIASES else value) for key, value in entries])
    with pytest.raises(CheckpointError, match="no table of variables"):
        read(locate(model))


def test_the_size_must_be_that_of_the_shape(model, entries):
    rewritten(model, changed(entries, size=4))
    with pytest.raises(CheckpointError, match="Logits/biases: 4 bytes, where its shape says"):
        read(locate(model))


def same_as_tensorflow(prefix: Path) -> StoredCheckpoint:
    """Compare all variables with those that TensorFlow reads, and return ours."""
    ours, theirs = read_bundle(prefix, Path(f"{prefix}.index")), tf.train.load_checkpoint(str(prefix))
    shapes, dtypes = theirs.get_variable_to_shape_map(), theirs.get_variable_to_dtype_map()
    assert {name: list(entry.shape) for name, entry in ours.entries.items()} == shapes
    for name, entry in ours.entries.items():
        value, expected = ours.tensor(name), theirs.get_tensor(name)
        assert value.dtype == entry.dtype == np.dtype(dtypes[name].as_numpy_dtype)
        assert value.tolist() == expected if isinstance(expected, bytes) else value.shape == expected.shape
        if value.dtype == object:
            assert value.tolist() == (expected if isinstance(expected, bytes) else expected.tolist())
        else:
            assert value.tobytes() == expected.tobytes()
    return read(locate(prefix))


def saved(prefix: Path, values: dict[str, object]) -> Path:
    """Write tensors with TensorFlow's own operation."""
    tensors = [value if tf.is_tensor(value) else tf.constant(value) for value in values.values()]
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=str(prefix), tensor_names=[*values], shape_and_slices=[""] * len(values), tensors=tensors
        )
    return prefix


def test_the_drawn_checkpoint_is_read_as_tensorflow_reads_it(drawn_checkpoint):
    assert len(same_as_tensorflow(locate(drawn_checkpoint).prefix).shapes) > 490


@pytest.mark.real
def test_the_real_checkpoint_is_read_as_tensorflow_reads_it(shared):
    assert len(same_as_tensorflow(locate(shared / "facenet").prefix).shapes) == 492


def test_shards_are_read_as_tensorflow_reads_them(tmp_path):
    generator = np.random.default_rng(3)
    parts = [
        saved(tmp_path / f"part{i}", {f"part{i}/{j}": generator.normal(size=(i + 1, j, 3)) for j in range(4)})
        for i in range(5)
    ]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[*map(str, parts)], destination_prefix=str(tmp_path / "whole"))
    assert len(list(tmp_path.glob("whole.data-*-of-00005"))) == 5
    assert len(same_as_tensorflow(tmp_path / "whole").shapes) == 20


def test_every_type_of_numbers_and_texts_is_read_as_tensorflow_reads_it(tmp_path):
    types = [tf.dtypes.as_dtype(kind) for kind in TYPES if kind in NUMBERS]
    values = {one.name: tf.cast(tf.constant([[0, 1, 3]]), one) for one in types if not one.is_quantized}
    values |= {"scalar": 7, "none": np.zeros((3, 0, 2), "f4"), "long": np.arange(300_000.0)}
    values |= {"text": b"one", "texts": [[b"", b"a" * 300, "ä".encode()]], "no texts": tf.constant([], tf.string)}
    same_as_tensorflow(saved(tmp_path / "types", values))


def test_a_checkpoint_of_objects_is_read_as_tensorflow_reads_it(tmp_path):
    network = tf.Module()
    network.weights = tf.Variable(tf.random.stateless_normal([3, 4], [1, 2]), name="Logits/weights")
    network.biases = [tf.Variable(tf.range(4.0), name="Logits/biases")]
    prefix = tf.train.Checkpoint(network=network, step=tf.Variable(5, dtype=tf.int64)).save(tmp_path / "objects")
    found = same_as_tensorflow(Path(prefix))
    assert {"Logits/weights", "Logits/biases"} < found.shapes.keys()
    np.testing.assert_array_equal(found.tensor("Logits/weights"), network.weights.numpy())


def test_variables_in_slices_are_refused(tmp_path):
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "sliced"),
            tensor_names=["w", "w"],
            shape_and_slices=["4 2 0,2:-", "4 2 2,2:-"],
            tensors=[tf.ones([2, 2]), tf.zeros([2, 2])],
        )
    with pytest.raises(CheckpointError, match="w: stored in slices"):
        read(locate(tmp_path / "sliced"))


def outcome(prefix: Path) -> str:
    """Read all variables; return the line of the error, or an empty text."""
    try:
        stored = read(locate(prefix))
        for name in stored.shapes:
            stored.tensor(name)
    except CheckpointError as error:
        (problem,) = error.problems
        assert str(problem).isprintable()
        return str(problem)
    return ""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Write a small checkpoint with numbers and texts."""
    folder = tmp_path_factory.mktemp("small")
    tensors = {f"a/{i}": np.arange(i, dtype="f4") for i in range(40)}
    return saved(folder / "small", {**tensors, "texts": [b"one", b"", b"three"], "step": np.int64(7)})


@pytest.fixture
def copied(small, tmp_path) -> Path:
    for file in small.parent.glob("small.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "small"


def peak() -> int:
    """Return the most KiB that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_mutant_is_one_line_or_has_the_same_values(copied, suffix):
    def values() -> dict[str, list[object]]:
        stored = read(locate(copied))
        return {name: stored.tensor(name).tolist() for name in stored.shapes}

    path, generator, good, before = Path(f"{copied}{suffix}"), random.Random(suffix), values(), peak()
    whole, read_on = path.read_bytes(), 0
    for _ in range(MUTANTS):
        path.write_bytes(mutated(whole, generator))
        if not outcome(copied):
            read_on += 1
            assert values() == good
    assert read_on < MUTANTS // 4
    assert peak() - before < 100 * 1024


def test_an_index_with_right_checksums_that_lies_is_read_or_is_one_line(copied):
    path, generator, before = Path(f"{copied}.index"), random.Random(5), peak()
    whole, refused = path.read_bytes(), 0
    end = whole.index(bytes(4), len(whole) - 48)  # of the footer's two handles
    for _ in range(MUTANTS):
        content = bytearray(whole)
        for _ in range(generator.choice([1, 1, 2, 8])):
            content[generator.randrange(end)] = generator.choice([0, 127, 128, 255, generator.randrange(256)])
        path.write_bytes(resealed(bytes(content)))
        refused += bool(outcome(copied))
    assert MUTANTS // 10 < refused < MUTANTS
    assert peak() - before < 100 * 1024


def test_tensorflow_is_not_imported(model):
    code = (
        "import sys; from finetune.checkpoint.location import locate; from finetune.checkpoint.stored import read; "
        f"found = read(locate({str(model)!r})); [found.tensor(name) for name in found.shapes]; "
        "print(len(found.shapes), 'tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, imported = ran.stdout.split()
    assert int(count) > 490
    assert imported == "False"
