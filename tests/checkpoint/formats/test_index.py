"""A checkpoint's entries are checked before TensorFlow reads them, because some of them make it end the process."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpoint.formats.index import _entries, refuse_unsound
from finetune.checkpoint.location import locate
from finetune.checkpoint.stored import read
from finetune.errors import CheckpointError

pytest.importorskip("tensorflow")
import tensorflow as tf
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto
from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

pytestmark = pytest.mark.tf

BIASES = b"Logits/biases"


@functools.cache
def crc_table() -> tuple[int, ...]:
    """Return the table of CRC-32C, one entry per byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def masked_crc(data: bytes) -> int:
    crc, table = 0xFFFFFFFF, crc_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a block whose keys share nothing, with its trailer."""
    data = b"".join(number(0) + number(len(key)) + number(len(value)) + key + value for key, value in entries)
    data += struct.pack("<II", 0, 1)
    return data + b"\0" + struct.pack("<I", masked_crc(data + b"\0"))


def table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return an `.index` file of these entries, in the format of LevelDB's tables."""
    data, meta = block(entries), block([])
    handles = [number(start) + number(len(part) - 5) for start, part in ((0, data), (len(data), meta))]
    index = block([(entries[-1][0] + b"\xff", handles[0])])
    footer = handles[1] + number(len(data) + len(meta)) + number(len(index) - 5)
    return data + meta + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


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
    refuse_unsound(rewritten(model, entries))
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


@pytest.mark.slow
def test_mutants_with_right_checksums_are_read_or_refused_and_end_no_process(model):
    """Change bytes of the blocks 500 times, each time with new checksums. TensorFlow would end this process."""
    path, random_ = next(model.glob("*.index")), random.Random(5)
    whole = path.read_bytes()
    end = whole.index(bytes(4), len(whole) - 48)  # of the footer's two handles
    refused = 0
    for _ in range(500):
        content = bytearray(whole)
        for _ in range(random_.choice([1, 1, 2, 8])):
            content[random_.randrange(end)] = random_.choice([0, 127, 128, 255, random_.randrange(256)])
        path.write_bytes(resealed(bytes(content)))
        with contextlib.suppress(CheckpointError):
            read(locate(model))
            refused -= 1
        refused += 1
    assert 50 < refused < 500


def resealed(content: bytes) -> bytes:
    """Return the table with checksums that fit its data block and its index, at the places that its footer gives."""
    from finetune.checkpoint.formats import wire

    place, numbers = len(content) - 48, []
    for _ in range(4):
        value, place = wire.number(content, place)
        numbers.append(value)
    sealed = bytearray(content)
    for start, size in ((0, numbers[0] - 5), (numbers[2], numbers[3])):
        if size > 0 and start + size + 5 <= len(content):
            sealed[start + size + 1 : start + size + 5] = struct.pack(
                "<I", masked_crc(content[start : start + size + 1])
            )
    return bytes(sealed)


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
    entries = list(_entries(path.read_bytes()))
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
