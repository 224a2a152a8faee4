"""Keras 3's archives are read by name, without Keras. An archive that claims too much is one line; none is unpacked."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import h5py

from finetune.checkpoint.formats import keras_archive
from finetune.checkpoint.formats.keras_archive import CONFIG, FORMAT, WEIGHTS
from tests import weight_files
from tests.weight_files import raw, refused_mutants, same, small, values, weights

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def model():
    return small(trained=True)


@pytest.fixture(scope="module")
def members(model, tmp_path_factory) -> dict[str, bytes]:
    """Return the members of an archive that Keras writes."""
    path = tmp_path_factory.mktemp("archive") / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def problem(path: Path) -> str:
    return weight_files.problem(FORMAT, path)


def of_layers(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in found.items() if not name.startswith("optimizer/")}


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_have_the_names_of_layer_and_weight(model, members, tmp_path, packing):
    found = values(FORMAT, zipped(tmp_path / "model.keras", members, packing))
    same(of_layers(found), weights(model))
    assert len(found) > len(weights(model))  # the optimizer's variables have their paths


def test_frozen_layers_keep_the_order_of_their_weights(members, tmp_path):
    model = small()
    model.trainable = False
    model.save(tmp_path / "model.keras")
    same(values(FORMAT, tmp_path / "model.keras"), weights(model))


def test_a_sequential_model_is_read_by_name_too(tmp_path):
    import keras

    layers = [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2, use_bias=False, name="b")]
    model = keras.Sequential(layers)
    model.save(tmp_path / "model.keras")
    found = values(FORMAT, tmp_path / "model.keras")
    assert set(found) == {"first/kernel", "first/bias", "b/kernel"}
    same(found, weights(model))


def test_layers_of_other_classes_have_their_paths_as_names(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.GroupNormalization(2), keras.layers.Dense(2, name="b")])
    model.save(tmp_path / "model.keras")
    norm = {f"layers/group_normalization/vars/{number}" for number in range(2)}
    assert set(values(FORMAT, tmp_path / "model.keras")) == {"b/kernel", "b/bias", *norm}


def layers(config: dict) -> list[dict]:
    return [one for one in config["config"]["layers"] if one["class_name"] != "InputLayer"]


UNEXPLAINED: dict[str, Callable[[dict], object]] = {
    "a layer less": lambda config: config["config"]["layers"].pop(),
    "a layer more": lambda config: config["config"]["layers"].append(layers(config)[-1]),
    "a bias that is not there": lambda config: layers(config)[0]["config"].update(use_bias=True),
    "a bias left out": lambda config: layers(config)[-1]["config"].update(use_bias=False),
    "no settings": lambda config: layers(config)[0].pop("config"),
    "a name of numbers": lambda config: layers(config)[0]["config"].update(name=3),
    "no layers": lambda config: config["config"].update(layers=None),
    "layers of text": lambda config: config["config"].update(layers="abc"),
    "nothing": lambda config: config.clear(),
}


@pytest.mark.parametrize("change", UNEXPLAINED)
def test_a_configuration_of_another_model_leaves_the_paths_as_names(model, members, tmp_path, change):
    config = json.loads(members[CONFIG])
    UNEXPLAINED[change](config)
    path = zipped(tmp_path / "model.keras", members | {CONFIG: json.dumps(config).encode()})
    found = of_layers(values(FORMAT, path))
    assert all(name.startswith("layers/") for name in found)
    np.testing.assert_array_equal(found["layers/conv2d/vars/0"], weights(model)["stem/kernel"])


def test_names_that_the_weights_themselves_deny_leave_the_paths_as_names(members, tmp_path):
    content = io.BytesIO(members[WEIGHTS])
    with h5py.File(content, "r+") as file:
        file["layers/conv2d/vars"].attrs["name"] = "other"
    path = zipped(tmp_path / "model.keras", members | {WEIGHTS: content.getvalue()})
    assert all(name.startswith("layers/") for name in of_layers(values(FORMAT, path)))


def test_files_of_tensorflow_2_13_are_read_by_name(members, model, tmp_path):
    content = io.BytesIO(members[WEIGHTS])
    with h5py.File(content, "r+") as file:
        del file["optimizer"]
        file.move("layers/sequential/layers", "layers/sequential/_layer_checkpoint_dependencies")
        file.move("layers", "_layer_checkpoint_dependencies")
    path = zipped(tmp_path / "model.keras", members | {WEIGHTS: content.getvalue()})
    same(values(FORMAT, path), weights(model))


def test_nothing_else_in_an_archive_is_read_or_written(model, members, tmp_path):
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    others = {"../../escaped": b"x", "/tmp/escaped": b"x", "assets/large": bytes(10**6), "metadata.json": b"\xff"}
    path = zipped(folder / "model.keras", members | others)
    same(of_layers(values(FORMAT, path)), weights(model))
    assert sorted(tmp_path.rglob("*")) == sorted([tmp_path / "a", folder, path])


def flagged(path: Path, offset: int, value: int) -> None:
    """Change a number of 16 bits, at an offset into each entry of the archive's directory."""
    content = bytearray(path.read_bytes())
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<H", content, place + offset, value)
        place = content.find(b"PK\x01\x02", place + 1)
    path.write_bytes(content)


def test_an_encrypted_archive_is_refused(members, tmp_path):
    path = zipped(tmp_path / "model.keras", members)
    flagged(path, 8, 1)
    assert problem(path) == f"{path}: is encrypted; unpack it, and zip it again without a password"


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_packing_is_refused(members, tmp_path, packing):
    assert "is packed in a way that Keras does not use" in problem(zipped(tmp_path / "m.keras", members, packing))


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_member_is_named(members, tmp_path, name):
    path = zipped(tmp_path / "m.keras", {one: content for one, content in members.items() if one != name})
    assert f"has no {name} in it; " in problem(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_member_that_stands_twice_is_refused(members, tmp_path, name):
    path = zipped(tmp_path / "m.keras", members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"{}")
    assert f"{name} stands in it twice" in problem(path)


@pytest.mark.parametrize(("name", "size"), [(CONFIG, 2**27), (WEIGHTS, 2**27)])
def test_a_bomb_is_refused_by_the_size_that_it_says(members, tmp_path, name, size):
    path = zipped(tmp_path / "m.keras", members | {name: bytes(size)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    assert f"{name} says that it unpacks to {size} bytes" in problem(path)


def test_a_bomb_that_says_less_is_refused(members, tmp_path):
    path = zipped(tmp_path / "m.keras", {CONFIG: bytes(2**24), **members} | {CONFIG: bytes(2**24)}, 8)
    content = path.read_bytes().replace(struct.pack("<I", 2**24), struct.pack("<I", 1000))
    path.write_bytes(content)
    assert "is not a Keras archive, or it is damaged (" in problem(path)


def test_a_large_stored_member_is_refused(members, tmp_path, monkeypatch):
    monkeypatch.setitem(keras_archive.LARGEST, WEIGHTS, 100)
    assert f"{WEIGHTS} says that it unpacks to" in problem(zipped(tmp_path / "m.keras", members))


@pytest.mark.parametrize("config", [b"", b"{", b"[" * 10**5, b"\xff", b"9" * 10**5])
def test_a_configuration_that_is_not_json_is_refused(members, tmp_path, config):
    path = zipped(tmp_path / "m.keras", members | {CONFIG: config})
    assert problem(path).startswith(f"{path}: is not a Keras archive, or it is damaged (")


def test_an_archive_without_weights_is_refused(members, tmp_path):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["other"] = np.zeros(3)
    path = zipped(tmp_path / "m.keras", members | {WEIGHTS: content.getvalue()})
    assert "holds no Keras weights" in problem(path)


def test_mutants_are_read_or_refused_in_one_line(members, tmp_path):
    path = zipped(tmp_path / "m.keras", members)
    assert 50 < refused_mutants(FORMAT, path) < 200


@pytest.mark.slow
def test_our_own_export_is_read_by_the_same_names_as_the_older_file(drawn_checkpoint, tmp_path):
    from finetune.checkpoint.formats import hdf5
    from finetune.export.formats import Content, find
    from finetune.model import Model

    content, found = Content.of(Model.restore(drawn_checkpoint), head=True), []
    for form in (FORMAT, hdf5.FORMAT):
        folder = tmp_path / form.name
        folder.mkdir()
        find(form.name).write(content, folder)
        found.append(raw(form, folder / f"{form.name}{form.suffixes[0]}"))
    same(*found)
    assert len(found[0]) == 492
