"""Keras's HDF5 files are read by name, without Keras. Files that lead elsewhere, or claim too much, are one line."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import h5py
import keras

from finetune.checkpoint.formats.hdf5 import FORMAT
from finetune.errors import CheckpointError
from tests import weight_files
from tests.weight_files import opened, raw, refused_mutants, same, small, values, weights

pytestmark = pytest.mark.tf

KERNEL, BIAS = np.arange(12, dtype="f4").reshape(4, 3) / 8, np.array([0.5, -2, 3], "f4")


@pytest.fixture(scope="module")
def model():
    return small(trained=True)


def by_hand(path: Path, layers: dict[str, dict[str, np.ndarray]], **how: object) -> Path:
    """Write a weights file as Keras 2 does: texts of fixed width, and TensorFlow's `:0` after each name."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name in layers])
        for layer, parts in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in parts])
            for name, value in parts.items():
                group.create_dataset(name, data=value, **how)
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return by_hand(tmp_path / "model.h5", {"head": {"head/kernel:0": KERNEL, "head/bias:0": BIAS}, "pool": {}})


def problem(path: Path) -> str:
    return weight_files.problem(FORMAT, path)


def test_a_whole_model_gives_its_weights_by_layer_and_its_optimizer_s(model, tmp_path):
    model.save(tmp_path / "model.h5")
    found = values(FORMAT, tmp_path / "model.h5")
    of_optimizer = {name for name in found if name.startswith("optimizer_weights/")}
    of_layers = weights(model)
    if keras.__version__.startswith("3.0."):  # names all weights of a model within a model after that model
        of_layers = {re.sub(r"^inside(_norm)?/", "block/", name): value for name, value in of_layers.items()}
    same({name: value for name, value in found.items() if name not in of_optimizer}, of_layers)
    expected = {one.path.rpartition("/")[2]: np.asarray(one) for one in model.optimizer.variables}
    same({name.rpartition("/")[2]: found[name] for name in of_optimizer}, expected)


def test_a_weights_file_of_keras_2_gives_them_by_layer(file):
    same(values(FORMAT, file), {"head/kernel": KERNEL, "head/bias": BIAS})


def test_numbered_weights_of_keras_3_have_their_paths_as_names(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    found = values(FORMAT, tmp_path / "model.weights.h5")
    expected = weights(model)
    paths = {
        "layers/conv2d/vars/0": "stem/kernel",
        "layers/conv2d_1/vars/1": "last/bias",
        "layers/sequential/layers/batch_normalization/vars/0": "inside_norm/gamma",
        "layers/dense/vars/0": "head/kernel",
    }
    same({name: found[name] for name in paths}, {name: expected[paths[name]] for name in paths})
    assert len([name for name in found if not name.startswith("optimizer/")]) == len(expected)
    assert not any("seed_generator" in name for name in found)


@pytest.mark.parametrize(
    ("layer", "weight", "name"),
    [
        ("head", "head_1/kernel:0", "head/kernel"),
        ("head", "kernel:0", "head/kernel"),
        ("block/head", "block/head/kernel:0", "block/head/kernel"),
        ("block", "block/head/kernel", "head/kernel"),
        ("block", "head_1/kernel:0", "head_1/kernel"),
    ],
)
def test_a_layer_s_name_is_found_whatever_keras_writes_before_a_weight(tmp_path, layer, weight, name):
    assert set(values(FORMAT, by_hand(tmp_path / "m.h5", {layer: {weight: KERNEL}}))) == {name}


def test_names_that_are_split_into_several_attributes_are_joined(tmp_path):
    layers = {f"layer_{number}": {f"layer_{number}/kernel:0": np.full(2, number, "f4")} for number in range(7)}
    path = by_hand(tmp_path / "m.h5", layers)
    with h5py.File(path, "r+") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        for number, part in enumerate(np.array_split(names, 3)):
            file.attrs[f"layer_names{number}"] = part
    same(values(FORMAT, path), {f"layer_{number}/kernel": np.full(2, number, "f4") for number in range(7)})


def test_two_weights_of_one_name_are_named(tmp_path):
    layers = {layer: {f"{layer}/same/kernel": KERNEL} for layer in ("a", "b")}
    assert "holds two weights named same/kernel" in problem(by_hand(tmp_path / "m.h5", layers))


def test_packed_weights_are_unpacked(tmp_path):
    value = np.random.default_rng(0).normal(size=(50, 30)).astype("f4")
    value[:20] = 0  # chunks that pack well stand beside chunks that do not
    how = {"chunks": (16, 16), "compression": "gzip", "shuffle": True, "fletcher32": True}
    same(values(FORMAT, by_hand(tmp_path / "m.h5", {"a": {"a/kernel:0": value}}, **how)), {"a/kernel": value})


@pytest.mark.parametrize("checksum", [False, True])
def test_a_chunk_that_skipped_the_packing_is_read(file, checksum):
    with h5py.File(file, "r+") as changed:
        replaced(shape=(8, 3), dtype="f4", chunks=(4, 3), compression="gzip", fletcher32=checksum)(changed)
        data = changed["head/head/kernel:0"]
        data[4:] = KERNEL + 1
        without = sum(1 << place for place in range(data.id.get_create_plist().get_nfilters()))
        data.id.write_direct_chunk((0, 0), KERNEL.tobytes(), without)  # all bits: through no filter
    np.testing.assert_array_equal(values(FORMAT, file)["head/kernel"], np.concatenate([KERNEL, KERNEL + 1]))


def replaced(**how: object):
    """Return a function that puts another dataset in the place of the kernel."""

    def change(file):
        del file["head/head/kernel:0"]
        file.create_dataset("head/head/kernel:0", **how)

    return change


def linked(link: object):
    def change(file):
        del file["head/head/kernel:0"]
        file["head/head/kernel:0"] = link

    return change


def virtual(file):
    layout = h5py.VirtualLayout((4, 3), "f4", maxshape=(None, 3))
    source = h5py.VirtualSource("other.h5", "kernel", (4, 3), maxshape=(None, 3))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    del file["head/head/kernel:0"]
    file.create_virtual_dataset("head/head/kernel:0", layout)


def looped(file):
    file["pool/again"] = file["/"]


def doubled(file):
    """Link each of 22 groups twice to the next, which makes four million paths."""
    group = file["pool"]
    for _ in range(22):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner


def bomb(file):
    replaced(shape=(2**15, 3), dtype="f4", chunks=(2**15, 3), compression="gzip")(file)
    file["head/head/kernel:0"].id.write_direct_chunk((0, 0), zlib.compress(bytes(10**8)))


def short(file):
    replaced(shape=(4, 3), dtype="f4", chunks=(4, 3))(file)
    file["head/head/kernel:0"].id.write_direct_chunk((0, 0), bytes(8))


def partial(file):
    replaced(shape=(10**4, 3), dtype="f4", chunks=(4, 3))(file)
    file["head/head/kernel:0"][:40] = 1


def attribute(name: str, value: object):
    return lambda file: file["head"].attrs.create(name, value)


LIES = {
    "a link to another file": (linked(h5py.ExternalLink("other.h5", "/kernel")), "is a link to another place"),
    "a link by its path": (linked(h5py.SoftLink("/pool")), "is a link to another place"),
    "values in another file": (
        replaced(shape=(4, 3), dtype="f4", external=[("secret.bin", 0, h5py.h5f.UNLIMITED)]),
        "head/kernel does not lie in the file itself",
    ),
    "a virtual dataset": (virtual, "head/kernel does not lie in the file itself"),
    "a loop of groups": (looped, "a loop of them"),
    "millions of paths": (doubled, "a loop of them"),
    "more than any network": (replaced(shape=(10**9, 512), dtype="f4", chunks=(1, 512)), "which no weight has"),
    "space that is not there": (replaced(shape=(2**25, 3), dtype="f4"), "bytes, which are not there"),
    "chunks that are not there": (replaced(shape=(2**20, 3), dtype="f4", chunks=(2**10, 3)), "chunks, which are not"),
    "some chunks that are there": (partial, "chunks, which are not there"),
    "a chunk larger than its shape": (
        replaced(shape=(4, 3), maxshape=(None, 3), dtype="f4", chunks=(2**20, 3)),
        "in chunks of",
    ),
    "a bomb": (bomb, "unpacks to another size"),
    "a chunk that is too short": (short, "another size than its shape says"),
    "another filter": (replaced(data=KERNEL, chunks=(4, 3), compression="lzf"), "with a filter that is not read"),
    "texts": (replaced(data=["a", "b"]), "head/kernel is of object"),
    "arrays of any length": (replaced(shape=(2,), dtype=h5py.vlen_dtype("f4")), "head/kernel is of object"),
    "references": (replaced(shape=(2,), dtype=h5py.ref_dtype), "head/kernel is of object"),
    "records": (replaced(shape=(2,), dtype=[("a", "f4")]), "head/kernel is of [('a', '<f4')]"),
    "bytes": (replaced(data=KERNEL.astype("i1")), "head/kernel is of int8"),
    "a named type": (lambda file: file.__setitem__("pool/type", np.dtype("f4")), "neither a group nor a dataset"),
    "names of numbers": (attribute("weight_names", np.zeros(3)), "its weight_names is not text"),
    "names of references": (attribute("weight_names", np.empty(2, h5py.ref_dtype)), "its weight_names is not text"),
    "a name that is not there": (attribute("weight_names", [b"head/gamma"]), "has head/gamma, which is not there"),
    "a name with a bell": (attribute("weight_names", [b"head/\a"]), "its weight_names is not text"),
    "a group with a bell": (lambda file: file.create_group("pool/\a"), r"a name in it is '\x07'"),
    "a layer that is not there": (lambda file: file.pop("pool"), "has the layer pool, which is not there"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_one_line(file, lie):
    change, reason = LIES[lie]
    other = file.with_name("other.h5")
    with h5py.File(other, "w") as secret:
        secret["kernel"] = KERNEL
    file.with_name("secret.bin").write_bytes(KERNEL.tobytes())
    with h5py.File(file, "r+") as changed:
        change(changed)
    assert reason in problem(file)


def test_a_gallery_and_any_other_hdf5_file_are_told_from_weights(tmp_path):
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        file["embeddings"] = KERNEL
    assert problem(path).startswith(f"{path}: holds no Keras weights; ")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = np.bytes_("finetune gallery 2")
    assert "is a gallery of finetune, which holds embeddings, not a network; give the checkpoint" in problem(path)


def test_a_gallery_that_finetune_writes_is_recognised(tmp_path):
    from finetune.checkpoint.formats.hdf5 import GALLERY
    from finetune.gallery.storage import FORMAT as WRITTEN

    assert WRITTEN.startswith(GALLERY)


def test_a_refused_file_is_closed_even_while_its_error_is_kept(file):
    with h5py.File(file, "r+") as changed:
        changed["pool"]["link"] = h5py.SoftLink("/head")
    with pytest.raises(CheckpointError) as kept:
        opened(FORMAT, file)
    with h5py.File(file, "r+") as changed:  # HDF5 opens no file for writing that is open for reading
        del changed["pool/link"]
    assert kept.value.problems
    assert set(values(FORMAT, file)) == {"head/kernel", "head/bias"}


def test_plugins_are_looked_for_again_afterwards(file):
    folders = [h5py.h5pl.get(place) for place in range(h5py.h5pl.size())]
    values(FORMAT, file)
    assert [h5py.h5pl.get(place) for place in range(h5py.h5pl.size())] == folders != []


def test_a_file_cut_anywhere_is_one_line(file):
    whole = file.read_bytes()
    for size in range(97, len(whole), 97):
        file.write_bytes(whole[:size])
        assert problem(file).startswith(f"{file}: is not a Keras HDF5 file, or it is damaged (")


@pytest.mark.parametrize("name", ["model.h5", "model.weights.h5", "packed.h5"])
def test_mutants_are_read_or_refused_in_one_line(model, tmp_path, name):
    path = tmp_path / name
    if name == "packed.h5":
        by_hand(path, {"a": {"a/kernel": KERNEL}}, compression="gzip", shuffle=True, fletcher32=True)
    else:
        (model.save_weights if "weights" in name else model.save)(path)
    assert 50 < refused_mutants(FORMAT, path) < 200


@pytest.mark.slow
def test_our_own_export_is_read_by_the_names_of_its_scopes(drawn_checkpoint, tmp_path):
    from finetune.export.formats import Content, find
    from finetune.model import Model

    found = Model.restore(drawn_checkpoint)
    folder = tmp_path / "mine"
    folder.mkdir()
    find("h5").write(Content.of(found, head=True), folder)
    keras = {"weights": "kernel", "biases": "bias"}
    expected = {}
    for name, value in found.tensors().items():
        scope, _, part = name.removeprefix(f"{found.backbone.scope}/").rpartition("/")
        expected[f"{scope.replace('/', '_')}/{keras.get(part, part)}"] = value
    same(raw(FORMAT, folder / "mine.h5"), expected)
    assert len(expected) == 492
    assert opened(FORMAT, folder / "mine.h5").located.name == "mine"
