"""State dicts of PyTorch are read exactly, without PyTorch. Any other file is refused in one line, and nothing runs."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.checkpoint.formats import pytorch, torch_pickle
from finetune.checkpoint.formats.format import Variables
from finetune.errors import CheckpointError
from tests.mutants import mutated
from tests.pickled import Call, Name, New, Persistent, With, pickled

STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
ORDERED = Call(Name("collections", "OrderedDict"), ())
VALUES = {
    "conv2d_1a.conv.weight": np.arange(24, dtype="f4").reshape(2, 3, 2, 2) / 8,
    "conv2d_1a.bn.num_batches_tracked": np.array(7, "i8"),
    "last_linear.weight": np.arange(6, dtype="f4").reshape(3, 2).T,
    "last_bn.bias": np.array([0.5, -2, 3], "f4"),
}
FORMS = ("zip", "legacy")


class Writer:
    """Writer of both forms after their description, with one storage per tensor."""

    def __init__(self, form: str) -> None:
        self.form = form
        self.storages: list[np.ndarray] = []

    def storage(self, values: np.ndarray, claimed: int | None = None, view: tuple | None = None) -> Persistent:
        """Return a storage of all values of an array, in the order in which they lie in memory."""
        self.storages.append(values)
        kind = Name("torch", STORAGES[values.dtype.name])
        size = values.size if claimed is None else claimed
        rest = (view,) if self.form == "legacy" else ()
        return Persistent(("storage", kind, str(len(self.storages) - 1), "cpu", size, *rest))

    def view(self, storage: Any, offset: Any, shape: Any, strides: Any) -> Call:
        arguments = (storage, offset, shape, strides, False, ORDERED)
        return Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)

    def tensor(self, values: np.ndarray) -> Call:
        flat = values.ravel(order="K")
        return self.view(self.storage(flat), 0, values.shape, tuple(step // values.itemsize for step in values.strides))

    def state_dict(self, values: dict[str, np.ndarray]) -> With:
        metadata = With(ORDERED, items={"": {"version": 1}})
        items = {name: self.tensor(value) for name, value in values.items()}
        return With(ORDERED, {"_metadata": metadata}, items)

    def content(self, value: Any) -> bytes:
        return (self.zip if self.form == "zip" else self.legacy)(pickled(value))

    def zip(self, pickle: bytes, byteorder: bytes = b"little", method: int = zipfile.ZIP_STORED) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", method) as archive:
            archive.writestr("archive/data.pkl", pickle)
            archive.writestr("archive/byteorder", byteorder)
            for key, values in enumerate(self.storages):
                archive.writestr(f"archive/data/{key}", values.tobytes())
            archive.writestr("archive/version", b"3\n")
        return content.getvalue()

    def legacy(self, pickle: bytes, little: bool = True, magic: int = 0x1950A86A20F9469CFC6C) -> bytes:
        machine = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        keys = [str(number) for number in range(len(self.storages))]
        content = b"".join((pickled(magic), pickled(1001), pickled(machine), pickle, pickled(keys)))
        return content + b"".join(values.size.to_bytes(8, "little") + values.tobytes() for values in self.storages)


def saved(form: str, build: Callable[[Writer], Any]) -> bytes:
    writer = Writer(form)
    return writer.content(build(writer))


def state(writer: Writer) -> Any:
    return writer.state_dict(VALUES)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes], Variables]:
    """Return a function that opens a file with this content."""

    def read(content: bytes) -> Variables:
        path = tmp_path / "model.pt"
        path.write_bytes(content)
        return pytorch.FORMAT.open(path, (path,))

    return read


@pytest.fixture
def refused(opened: Callable[[bytes], Variables], tmp_path: Path) -> Callable[[bytes], str]:
    """Return a function that gives the one line with which a file is refused."""

    def why(content: bytes) -> str:
        with pytest.raises((CheckpointError, ValueError)) as caught:
            opened(content)
        line = str(caught.value)
        assert line.isprintable()
        return line.removeprefix(f"{tmp_path / 'model.pt'}: ")

    return why


def assert_same(found: Variables, expected: dict[str, np.ndarray]) -> None:
    assert list(found.shapes) == list(found.dtypes) == sorted(expected)
    for name, value in expected.items():
        array = found.get(name)
        assert (found.shapes[name], found.dtypes[name]) == (value.shape, value.dtype) == (array.shape, array.dtype)
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, value)


@pytest.mark.parametrize("form", FORMS)
def test_a_state_dict_comes_back_as_it_was_saved(opened, form):
    assert_same(opened(saved(form, state)), VALUES)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", STORAGES)
def test_every_type_is_read(opened, form, dtype):
    values = np.array([[0, 1, 2], [3, 0, 1]]).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    assert_same(opened(saved(form, lambda writer: {"a": writer.tensor(values)})), {"a": values})


def strided(shape: tuple[int, ...], order: list[int], steps: list[int], offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a base and a view of it with permuted axes and with steps."""
    base = np.arange(offset + np.prod([side * step for side, step in zip(shape, steps, strict=True)]), dtype="f4")
    grid = base[offset:].reshape([side * step for side, step in zip(shape, steps, strict=True)])
    return base, grid[(*(slice(None, None, step) for step in steps), ...)].transpose(order)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_views_with_any_strides_are_read(tmp_path_factory, data):
    form = data.draw(st.sampled_from(FORMS))
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=4)))
    steps = data.draw(st.lists(st.integers(1, 3), min_size=len(shape), max_size=len(shape)))
    base, view = strided(shape, data.draw(st.permutations(range(len(shape)))), steps, data.draw(st.integers(0, 5)))
    offset = (view.ctypes.data - base.ctypes.data) // 4 if view.size else 0
    strides = tuple(step // 4 for step in view.strides)
    path = tmp_path_factory.getbasetemp() / "view.pt"
    path.write_bytes(saved(form, lambda writer: {"a": writer.view(writer.storage(base), offset, view.shape, strides)}))
    assert_same(pytorch.read(path, (path,)), {"a": view})


def test_parameters_and_tensors_with_attributes_are_tensors(opened):
    def build(writer: Writer) -> Any:
        tensor = writer.tensor(VALUES["last_bn.bias"])
        old = Call(Name("torch._utils", "_rebuild_tensor"), writer.tensor(np.arange(3)).arguments[:4])
        parameter = Call(Name("torch._utils", "_rebuild_parameter"), (tensor, True, ORDERED))
        named = Call(
            Name("torch._tensor", "_rebuild_from_type_v2"),
            (tensor.function, Name("torch", "Tensor"), tensor.arguments, {"mine": 1}),
        )
        return {"old": old, "parameter": parameter, "named": named}

    bias = VALUES["last_bn.bias"]
    assert_same(opened(saved("zip", build)), {"old": np.arange(3), "parameter": bias, "named": bias})


def test_what_python_2_saved_is_read(opened):
    """Read an ordered dictionary that is made of a list of lists, and a storage that is part of another."""

    def build(writer: Writer) -> Any:
        part = writer.storage(np.arange(10, dtype="f4"), view=("part", 4, 3))
        pairs = [["b", writer.view(part, 1, (2,), (1,))], ["a", writer.tensor(np.ones(2, "f4"))]]
        return Call(Name("collections", "OrderedDict"), (pairs,))

    assert_same(opened(saved("legacy", build)), {"a": np.ones(2, "f4"), "b": np.array([5, 6], "f4")})


def test_a_list_of_pairs_makes_one_dictionary_only():
    """Keep a small pickle from making a large number of large dictionaries."""
    name, pairs = "ccollections\nOrderedDict\n", "]((X\x01\0\0\0aNle"
    once = f"{name}({pairs}q\x00tR"
    found = torch_pickle.Objects().load(io.BytesIO(f"({once}{name}(h\x00tRl.".encode()))
    assert found == [{"a": None}, {}]


def checkpoint(writer: Writer, key: str = "state_dict") -> dict[str, Any]:
    """Return what a training script saves."""
    return {**beside(writer), key: state(writer)}


def beside(writer: Writer) -> dict[str, Any]:
    """Return what a training script saves beside the weights."""
    moments = {0: {"step": writer.tensor(np.array(5.0, "f4")), "exp_avg": writer.tensor(np.ones(3, "f4"))}}
    return {
        "epoch": 3,
        "best": None,
        "optimizer": {"state": moments, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "averages": {"loss": [1.0, 0.5], "done": True},
        "options": With(New(Name("argparse", "Namespace"), ()), {"lr": 0.1}),
        "accuracy": Call(Name("numpy.core.multiarray", "scalar"), (Call(Name("numpy", "dtype"), ("f8",)), "x")),
        "size": Call(Name("torch", "Size"), ((1, 2),)),
        "device": Call(Name("torch", "device"), ("cpu",)),
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "backbone", "weights", "anything"])
def test_the_state_dict_of_a_checkpoint_is_found(opened, form, key):
    assert_same(opened(saved(form, lambda writer: checkpoint(writer, key))), VALUES)
    assert_same(opened(saved(form, lambda writer: {"epoch": 1, "model": checkpoint(writer, key)})), VALUES)


def test_the_preferred_key_wins(opened):
    def build(writer: Writer) -> Any:
        others = {key: {"a": writer.tensor(np.zeros(1, "f4"))} for key in ("weights", "ema", "model", "averages")}
        return {**others, "state_dict": state(writer)}

    assert_same(opened(saved("zip", build)), VALUES)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "module.backbone.", "net.module.encoder."]
)
def test_the_prefixes_of_wrappers_are_removed(opened, prefix):
    named = {prefix + name: value for name, value in VALUES.items()}
    assert_same(opened(saved("zip", lambda writer: writer.state_dict(named))), VALUES)


def test_a_prefix_that_not_all_names_have_stays(opened):
    for other in ("head.c", "net.c"):
        named = {"model.a": np.ones(1), "model.b": np.ones(2), other: np.ones(3)}
        assert_same(opened(saved("zip", lambda writer, named=named: writer.state_dict(named))), named)


def test_a_whole_model_is_refused_by_its_class(refused):
    model = With(New(Name("facenet_pytorch.models.inception_resnet_v1", "InceptionResnetV1"), ()), {"training": True})
    line = (
        "holds a whole model (facenet_pytorch.models.inception_resnet_v1.InceptionResnetV1), not a state dict; "
        "torch.save(model.state_dict(), …) makes one"
    )
    for form in FORMS:
        assert refused(saved(form, lambda _: model)) == line
        assert refused(saved(form, lambda _: {"epoch": 1, "model": model})) == line
    source = Persistent(("module", model.value.kind, "model.py", "import os"))  # PyTorch before 1.6 kept it
    assert refused(saved("legacy", lambda _: New(source, ()))) == line


OTHER: dict[str, tuple[Callable[[Writer], Any], str]] = {
    "no state dict": (
        beside,
        "holds no state dict, but epoch, best, optimizer, averages, options; save the state dict alone: "
        "torch.save(model.state_dict(), …)",
    ),
    "an optimizer": (lambda writer: beside(writer)["optimizer"], "holds no state dict, but state, param_groups; "),
    "an optimizer's tensors": (lambda writer: {"optim": {"a": writer.tensor(np.ones(2))}}, "holds no state dict, but"),
    "an optimizer of another name": (
        lambda writer: {"solver": {"state": {"a": writer.tensor(np.ones(2))}, "param_groups": []}},
        "holds no state dict, but solver",
    ),
    "several": (
        lambda writer: {key: {"a": writer.tensor(np.ones(2))} for key in ("teacher", "student")},
        "holds several state dicts (teacher, student); save",
    ),
    "a tensor": (lambda writer: writer.tensor(np.ones(2)), "holds one tensor, not a state dict; save"),
    "a list": (lambda writer: [writer.tensor(np.ones(2))], "holds a list, not a state dict; save"),
    "nothing": (lambda _: {}, "holds no state dict, but nothing; save"),
    "another kind of tensor": (
        lambda writer: {
            "a": writer.tensor(np.ones(2)),
            "b": Call(Name("torch._utils", "_rebuild_qtensor"), (1,)),
        },
        "b is of torch._utils._rebuild_qtensor",
    ),
    "complex numbers": (
        lambda writer: {
            "a": writer.view(Persistent(("storage", Name("torch", "ComplexFloatStorage"), "0", "cpu", 1)), 0, (), ())
        },
        "a is of torch.ComplexFloatStorage",
    ),
    "a file in the file": (
        lambda _: Call(Name("torch.storage", "_load_from_bytes"), ("x",)),
        "holds a file within the file (torch.storage._load_from_bytes), which is not read; save",
    ),
    "a name twice": (
        lambda writer: writer.state_dict({"a": np.ones(1), "module.a": np.ones(1)}),
        "two tensors have one name",
    ),
    "a name of two lines": (lambda writer: writer.state_dict({"a\nb": np.ones(1)}), "a tensor has the name 'a?b'"),
    "an endless name": (lambda writer: writer.state_dict({"module." * 999: np.ones(1)}), "a tensor has the name"),
    "beyond its storage": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(6)), 1, (2, 3), (3, 1))},
        "a tensor that leaves its storage",
    ),
    "a negative offset": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(6)), -1, (2,), (1,))},
        "a tensor without a shape",
    ),
    "a negative stride": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(6)), 5, (2,), (-1,))},
        "a tensor without a shape",
    ),
    "an absurd shape": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(1)), 0, (2**40, 2**40), (0, 0))},
        "its tensors are larger than the file",
    ),
    "an absurd shape of nothing": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(1)), 0, (0, 2**58), (1, 1))},
        "its tensors are larger than the file",
    ),
    "too many dimensions": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(1)), 0, (1,) * 99, (1,) * 99)},
        "a tensor without a shape",
    ),
    "fewer strides": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(1)), 0, (1, 1), (1,))},
        "a tensor without a shape",
    ),
    "a shape of texts": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(1)), 0, ("1",), (1,))},
        "a tensor without a shape",
    ),
    "no storage": (lambda writer: {"a": writer.view(3, 0, (1,), (1,))}, "a tensor that is not described"),
    "a persistent id that is no tuple": (lambda _: Persistent("storage"), "a storage that is not described"),
    "a persistent id that is too short": (lambda _: Persistent(("storage",)), "not enough values"),
    "a storage of another kind": (
        lambda _: Persistent(("cupboard", Name("torch", "FloatStorage"), "0", "cpu", 1)),
        "a storage that is not described",
    ),
    "a storage with two types": (
        lambda _: [
            Persistent(("storage", Name("torch", kind), "0", "cpu", 1)) for kind in ("FloatStorage", "LongStorage")
        ],
        "storage 0 has two types",
    ),
    "a storage that claims more": (
        lambda writer: {"a": writer.view(writer.storage(np.ones(2), claimed=9), 0, (9,), (1,))},
        "the values of a are not there",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", OTHER)
def test_everything_else_is_refused_in_one_line(refused, form, case):
    build, line = OTHER[case]
    assert refused(saved(form, build)).startswith(line)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_runs(opened, refused, tmp_path, form):
    proof = tmp_path / "ran"
    for name in (Name("os", "system"), Name("posix", "system"), Name("subprocess", "getoutput")):
        call = Call(name, (f"touch {proof}",))
        assert refused(saved(form, lambda _, call=call: call)).startswith(
            f"holds a whole model ({name.module}.{name.name})"
        )
        beside = saved(form, lambda writer, call=call: {"state_dict": state(writer), "more": With(call, {"a": call})})
        assert_same(opened(beside), VALUES)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (b"\x80\x02\x82\x01.", "holds more than tensors and plain values (EXT1); save"),
        (b"\x80\x02(i__main__\nA\n.", "holds more than tensors and plain values (INST); save"),
        (b"\x80\x02L1\n.", "holds more than tensors and plain values (LONG); save"),
        (b"\x80\x02]r\xff\xff\xff\xff.", "holds a place that no pickle of its size has; save"),
        (b"\x80\x02" + b"]" * 2**20 + b".", "holds a pickle that is too long; save"),
        (b"\x80\x04K\x01K\x02\x93.", "a name that is not a string"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f1.", ""),
        (b"\x80\x02X\xff\xff\xff\x7fa.", ""),
        (b"\x80\x02}", ""),
        (b"", ""),
    ],
)
def test_hostile_pickles_are_one_line(refused, code, line):
    for form in FORMS:
        writer = Writer(form)
        assert refused(writer.zip(code) if form == "zip" else writer.legacy(code)).startswith(line)


def test_a_program_is_refused(refused):
    for entry in ("archive/constants.pkl", "archive/code/__torch__.py"):
        content = io.BytesIO(saved("zip", state))
        with zipfile.ZipFile(content, "a") as archive:
            archive.writestr(entry, b"x")
        line = "is a TorchScript program, which would have to be run; save its state_dict()"
        assert refused(content.getvalue()) == line


def test_the_oldest_form_is_refused(refused):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    assert refused(content.getvalue()) == "saved by PyTorch before 0.1.10; save it again with a newer one"


def test_another_byte_order_is_refused(refused):
    line = "saved on a big-endian machine; save it again on another"
    assert refused(Writer("zip").zip(pickled({}), byteorder=b"big")) == line
    assert refused(Writer("legacy").legacy(pickled({}), little=False)) == line


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x89HDF\r\n",
        pickled({}),
        Writer("").legacy(b"", magic=1),
    ],
)
def test_a_file_of_another_kind_is_refused(refused, content):
    assert refused(content) == "no file of torch.save"


def test_archives_that_torch_does_not_write_are_refused(refused):
    writer = Writer("zip")
    pickle = pickled(state(writer))
    assert refused(writer.zip(pickle, method=zipfile.ZIP_DEFLATED)).endswith("is compressed or encrypted")
    whole = writer.zip(pickle)
    assert refused(whole.replace(b"archive/data.pkl", b"archive/data.pkx")) == (
        "an archive without data.pkl, or with several"
    )
    central = whole.index(b"PK\x01\x02")  # of the first entry, data.pkl
    encrypted = whole[: central + 8] + b"\x01" + whole[central + 9 :]
    assert refused(encrypted) == "archive/data.pkl is compressed or encrypted"
    longer = whole[: central + 20] + b"\xff\xff\0\0\xff\xff\0\0" + whole[central + 28 :]
    assert refused(longer) == "archive/data.pkl is larger than the archive"
    elsewhere = whole[: central + 42] + b"\x07\0\0\0" + whole[central + 46 :]
    assert refused(elsewhere) == "archive/data.pkl is not where the archive says"


def test_an_archive_with_an_entry_twice_is_refused(refused):
    content = saved("zip", lambda writer: {"a": writer.tensor(np.ones(1)), "b": writer.tensor(np.ones(1))})
    line = "an archive in which an entry stands twice"
    assert refused(content.replace(b"archive/data/1", b"archive/data/0")) == line


def test_an_archive_whose_entries_overlap_is_refused(refused):
    """Refuse an archive that would make many tensors of the same bytes, each with a checksum over all of them."""
    content = bytearray(saved("zip", lambda writer: {str(key): writer.tensor(np.ones(99)) for key in range(9)}))
    first = content.index(b"archive/data/0") - 30
    place = content.index(b"PK\x01\x02")
    while (place := content.find(b"PK\x01\x02", place + 1)) > 0:
        if content[place + 46 :].startswith(b"archive/data/"):
            content[place + 42 : place + 46] = first.to_bytes(4, "little")
            content[place + 20 : place + 28] = (7000).to_bytes(4, "little") * 2
    assert refused(bytes(content)) == "an archive whose entries overlap"


@pytest.mark.parametrize(
    ("limit", "line"),
    [("MOST_BYTES", "a pickle that is too large"), ("MOST_LISTED", "an archive with too many entries")],
)
def test_an_archive_beyond_a_limit_is_refused(refused, monkeypatch, limit, line):
    monkeypatch.setattr(pytorch, limit, 300)
    assert refused(saved("zip", state)) == line


def test_a_changed_value_is_found_when_it_is_read(opened):
    content = saved("zip", state)
    place = content.index(VALUES["last_bn.bias"].tobytes())
    found = opened(content[:place] + b"\xff" + content[place + 1 :])
    np.testing.assert_array_equal(found.get("conv2d_1a.conv.weight"), VALUES["conv2d_1a.conv.weight"])
    with pytest.raises(ValueError, match="bytes that differ from their checksum"):
        found.get("last_bn.bias")


def test_a_file_that_shrinks_after_it_was_opened_is_one_error(opened, tmp_path):
    content = saved("legacy", state)
    found = opened(content)
    os.truncate(tmp_path / "model.pt", len(content) - 1)
    with pytest.raises(ValueError, match="bytes are missing"):
        found.get("last_bn.bias")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_anywhere_is_refused(refused, form):
    content = saved(form, state)
    for size in range(0, len(content), 7):
        assert refused(content[:size])


@pytest.mark.parametrize("form", FORMS)
def test_values_are_read_only_when_they_are_asked_for(opened, form):
    large = np.zeros(2**22, "f4")
    content = saved(form, lambda writer: {"large": writer.tensor(large), "small": writer.tensor(np.ones(2))})
    tracemalloc.start()
    found = opened(content)
    found.get("small")
    opening = tracemalloc.get_traced_memory()[1]
    found.get("large")
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opening < 2**21
    assert large.nbytes <= reading < 1.5 * large.nbytes


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle in a zip"])
def test_mutants_are_read_or_refused(opened, kind):
    generator = random.Random(0)
    writer = Writer(kind if kind in FORMS else "zip")
    pickle = pickled(checkpoint(writer))
    content = writer.legacy(pickle) if kind == "legacy" else writer.zip(pickle)
    started, lines = time.process_time(), []
    for _ in range(300):
        try:
            found = opened(mutated(content, generator) if kind in FORMS else writer.zip(mutated(pickle, generator)))
            assert [found.get(name).shape for name in found.shapes] == [*found.shapes.values()]
        except (CheckpointError, ValueError) as error:
            lines.append(str(error))
    assert 100 < len(lines) < 300
    assert all(map(str.isprintable, lines))
    assert time.process_time() - started < 20


def test_only_known_instructions_are_allowed():
    assert not torch_pickle.OPCODES & {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "LONG", "INT", "NEXT_BUFFER"}


REAL = """
import sys, argparse, numpy as np, torch
out = sys.argv[1]
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters())
net(torch.randn(2, 3, 4, 4)).sum().backward()
optimizer.step()
values = net.state_dict()
base = torch.arange(24.0)
odd = {"t": base.reshape(4, 6).t(), "s": base[2::5], "h": base.half(), "d": base.double(), "b": base > 3}
odd["bf"] = base.bfloat16().reshape(4, 6).t()
whole = {"epoch": 1, "state_dict": values, "optimizer": optimizer.state_dict(), "options": argparse.Namespace(lr=0.1)}
whole |= {"accuracy": np.float64(0.5), "device": torch.device("cpu"), "type": torch.float16, "size": torch.Size([1])}
for form, zipped in (("zip", True), ("legacy", False)):
    def save(value, name):
        torch.save(value, f"{out}/{form}-{name}.pt", _use_new_zipfile_serialization=zipped)
    save(values, "net"); save(torch.nn.DataParallel(net).state_dict(), "parallel"); save(whole, "checkpoint")
    save(odd, "odd"); save(net, "model")
np.savez(f"{out}/net.npz", **{name: value.numpy() for name, value in values.items()})
np.savez(f"{out}/odd.npz", **{name: (value.float() if name == "bf" else value).numpy() for name, value in odd.items()})
torch.jit.trace(net, torch.randn(2, 3, 4, 4)).save(f"{out}/program.pt")
"""


@pytest.mark.skipif(
    not os.environ.get("FINETUNE_TORCH_PYTHON"), reason="FINETUNE_TORCH_PYTHON names no Python with PyTorch"
)
def test_what_pytorch_saves_is_read(tmp_path):
    python = os.environ["FINETUNE_TORCH_PYTHON"]
    subprocess.run([python, "-W", "ignore", "-c", REAL, str(tmp_path)], check=True, capture_output=True)

    def read(name: str) -> Variables:
        return pytorch.read(tmp_path / name, (tmp_path / name,))

    net, odd = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("net", "odd"))
    odd["bf"] = odd["bf"].astype(ml_dtypes.bfloat16)
    for form in FORMS:
        for name in ("net", "parallel", "checkpoint"):
            assert_same(read(f"{form}-{name}.pt"), net)
        assert_same(read(f"{form}-odd.pt"), odd)
        with pytest.raises(CheckpointError, match=r"holds a whole model \(torch.nn.modules.container.Sequential\)"):
            read(f"{form}-model.pt")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read("program.pt")
