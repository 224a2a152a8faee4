"""A checkpoint's entries are checked before TensorFlow reads them, because some of them make it end the process."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpoint.formats.sorted_table import table_entries
from finetune.checkpoint.location import locate
from finetune.checkpoint.stored import read
from finetune.errors import CheckpointError
from tests.checkpoint.formats.tables import resealed, table

pytest.importorskip("tensorflow")
import tensorflow as tf
from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

pytestmark = pytest.mark.tf


@pytest.fixture
def first(tmp_path) -> Path:
    """Write a checkpoint in the first format with TensorFlow."""
    path, v1 = tmp_path / "first.ckpt", tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("Logits/weights", initializer=tf.reshape(tf.range(12.0), [3, 4]))
        v1.get_variable("Logits/biases", initializer=tf.range(4.0))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(write_version=v1.train.SaverDef.V1).save(session, str(path), write_meta_graph=False)
    return path


def of_first(path: Path, change: Callable[[Any, Any], object]) -> None:
    """Rewrite a checkpoint of the first format after changing the biases' description and values."""
    entries = list(table_entries(path.read_bytes()))
    values = [SavedTensorSlices.FromString(value) for _, value in entries]
    described = next(tensor for tensor in values[0].meta.tensor if tensor.name == "Logits/biases")
    change(described, next(value.data for value in values if value.data.name == "Logits/biases"))
    path.write_bytes(table([(key, value.SerializeToString()) for (key, _), value in zip(entries, values, strict=True)]))


LIES_OF_FIRST = {
    "a negative side": (lambda meta, data: setattr(meta.shape.dim[0], "size", -5), "of no shape"),
    "more than is there": (lambda meta, data: setattr(meta.shape.dim[0], "size", 2**40), "4 values, where its shape"),
    "fewer than are there": (lambda meta, data: setattr(meta.shape.dim[0], "size", 3), "4 values, where its shape"),
    "no values": (lambda meta, data: data.data.Clear(), "0 values, where its shape says 4"),
    "300 dimensions": (lambda meta, data: [meta.shape.dim.add(size=1) for _ in range(300)], "of no shape (301"),
    "a type of a reference": (lambda meta, data: setattr(meta, "type", 101), "of no type (101)"),
    "a part": (lambda meta, data: setattr(meta.slice[0].extent[0], "length", 2), "stored in slices"),
    "no parts": (lambda meta, data: meta.ClearField("slice"), "stored in slices"),
    "values of a part": (lambda meta, data: setattr(data.slice.extent[0], "start", -7), "values, where its shape"),
    "values of another": (lambda meta, data: setattr(data, "name", "none"), "none: values of a variable that is not"),
}


@pytest.mark.parametrize("lie", LIES_OF_FIRST)
def test_an_entry_of_the_first_format_that_lies_is_one_line(first, lie):
    change, problem = LIES_OF_FIRST[lie]
    of_first(first, lambda meta, data: None)
    assert read(locate(first)).shapes == {"Logits/weights": (3, 4), "Logits/biases": (4,)}
    of_first(first, change)
    with pytest.raises(CheckpointError) as refused:
        read(locate(first))
    (line,) = map(str, refused.value.problems)
    assert line.startswith(f"{first}: ")
    assert problem in line


@pytest.mark.slow
def test_mutants_of_the_first_format_are_read_or_refused_and_end_no_process(first):
    random_, whole, refused = random.Random(5), first.read_bytes(), 0
    for _ in range(500):
        content = bytearray(whole)
        for _ in range(random_.choice([1, 1, 2, 8])):
            content[random_.randrange(len(whole) - 48)] = random_.choice([0, 127, 128, 255, random_.randrange(256)])
        first.write_bytes(resealed(bytes(content)))
        with contextlib.suppress(CheckpointError):
            found = read(locate(first))
            found.tensors(found.shapes)
            refused -= 1
        refused += 1
    assert 50 < refused < 500
