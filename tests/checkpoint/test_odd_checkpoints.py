"""Odd checkpoints are read, with remarks on what was changed, or refused in a line that says what they are."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from finetune import backbones
from finetune.checkpoint import accounting, naming
from finetune.checkpoint.accounting import account
from finetune.errors import CheckpointError
from tests.checkpoint import odd
from tests.checkpoint.odd import BLOCK, BOTTLENECK, FIRST, SCOPE, V1, Tensors

pytestmark = pytest.mark.tf
BIASES = "Logits/biases"
OPTIMIZER, NO_UNIT = "state of its optimizer", "part of no unit of the network"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(backbones.BACKBONES, V1.name, V1)
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))


class Read(NamedTuple):
    """A checkpoint that is read as the network is: its maker, its remarks, and the reasons to skip what else it has."""

    make: Callable[[Path, Tensors], Path]
    remarks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def with_(**more: np.ndarray) -> Callable[[Path, Tensors], Path]:
    """Return a maker of a checkpoint with more variables; in their names, two underscores stand for a slash."""
    added = {name.replace("__", "/"): value for name, value in more.items()}
    return lambda folder, tensors: odd.saved(folder, tensors | added)


def of(change: Callable[[Tensors], Tensors]) -> Callable[[Path, Tensors], Path]:
    return lambda folder, tensors: odd.saved(folder, change(tensors))


def averaged(tensors: Tensors) -> Tensors:
    """Return what a Saver of moving averages keeps: averages of what is trained, and the statistics themselves."""
    return {name if "moving" in name else f"{name}/ExponentialMovingAverage": value for name, value in tensors.items()}


def with_gamma(tensors: Tensors) -> Tensors:
    scales = [name.replace("moving_mean", "gamma") for name in tensors if name.endswith("moving_mean")]
    return tensors | {name: np.ones_like(tensors[name.replace("gamma", "beta")]) for name in scales}


def nested(folder: Path, tensors: Tensors) -> Path:
    odd.saved(folder / "downloads/facenet/20200102-030405", tensors)
    return folder


def one_zip_in_a_folder(folder: Path, tensors: Tensors) -> Path:
    folder.mkdir()
    odd.zipped(folder / "20200102-030405.zip", odd.saved(folder.with_name("elsewhere"), tensors).parent)
    return folder


HALF = np.float16
READ = {
    "a learning rate": Read(with_(learning_rate=np.float32(0.1)), skipped=(NO_UNIT,)),
    "an optimizer under a scope": Read(
        with_(OptimizeLoss__learning_rate=np.float32(1), OptimizeLoss__beta1_power=np.float32(1)),
        skipped=(OPTIMIZER, NO_UNIT),
    ),
    "slots of an optimizer": Read(
        of(lambda t: t | {f"OptimizeLoss/{name}/Adam": value for name, value in t.items()}), skipped=(OPTIMIZER,)
    ),
    "slots of another optimizer": Read(
        of(lambda t: t | {f"{FIRST}/weights/Ftrl_1": t[f"{FIRST}/weights"]}), skipped=(OPTIMIZER,)
    ),
    "another head": Read(with_(AM_logits__kernel=np.ones((8, 7), "f4")), skipped=(NO_UNIT,)),
    "a second network": Read(with_(pnet__conv1__weights=np.ones((3, 3, 3, 2), "f4")), skipped=(NO_UNIT,)),
    "averages alone": Read(
        of(averaged), remarks=("268 variables taken from moving averages, for want of the variables",)
    ),
    "averages of all, beside the variables": Read(
        of(lambda t: t | {f"{name}/ExponentialMovingAverage": value + 1 for name, value in t.items()}),
        skipped=("moving average that its training kept of a variable",),
    ),
    "an outer scope": Read(
        of(lambda t: odd.renamed(t, SCOPE, f"resnet/{SCOPE}")),
        remarks=("the names lie under resnet/, which is left out",),
    ),
    "an outer scope around the head too": Read(
        of(lambda t: {f"a/b/{name}": value for name, value in t.items()}),
        remarks=("the names lie under a/b/, which is left out",),
    ),
    "an outer scope with slots": Read(
        of(
            lambda t: (
                {f"net/{name}": value for name, value in t.items()} | {f"net/{FIRST}/weights/Adam": np.ones(2, "f4")}
            )
        ),
        remarks=("the names lie under net/, which is left out",),
        skipped=(OPTIMIZER,),
    ),
    "an imported graph": Read(
        lambda folder, t: odd.frozen(folder / "g.pb", {f"import/{name}": value for name, value in t.items()}),
        remarks=("the names lie under import/, which is left out",),
    ),
    "a text graph": Read(lambda folder, t: odd.frozen_text(folder / "g.pbtxt", t)),
    "a bottleneck outside": Read(
        of(lambda t: odd.renamed(t, BOTTLENECK, "Bottleneck")),
        remarks=(f"Bottleneck/ lies outside {SCOPE}/, as before May 2017, and was moved into it",),
    ),
    "gamma of ones": Read(of(with_gamma), skipped=(naming.ONES,)),
    "half precision": Read(
        of(lambda t: t | {"Logits/biases": t["Logits/biases"].astype(HALF).astype("f4").astype(HALF)}),
        remarks=("1 variable stored as float16, used as float32",),
    ),
    "a SavedModel of TensorFlow 1": Read(odd.saved_model),
    "a checkpoint of objects": Read(
        odd.of_objects,
        remarks=("a TensorFlow 2 checkpoint of objects; the names are those of its variables",),
    ),
    "the graph of a SavedModel": Read(lambda folder, t: odd.saved_model(folder, t) / "saved_model.pb"),
    "a folder three folders down": Read(nested),
    "a zip archive": Read(
        lambda folder, t: odd.zipped(folder / "20200102-030405.zip", odd.saved(folder / "in", t).parent)
    ),
    "a zip archive alone in a folder": Read(one_zip_in_a_folder),
    "a zip archive of another name": Read(
        lambda folder, t: odd.zipped(folder / "download", odd.saved(folder / "in", t).parent)
    ),
    "a zip archive in which nothing has a folder": Read(
        lambda folder, t: odd.zipped(folder / "a.zip", odd.saved(folder / "in", t).parent, ".")
    ),
    "a tar archive": Read(
        lambda folder, t: odd.tarred(folder / "20200102-030405.tar.gz", odd.saved(folder / "in", t).parent)
    ),
}


@pytest.mark.parametrize("case", READ.values(), ids=READ)
def test_it_is_read_as_the_network_is(tmp_path: Path, case: Read) -> None:
    tensors = odd.network()
    path = case.make(tmp_path / "given", tensors) if case.make is not None else tmp_path
    found = account(path)
    assert found.stored.variables.remarks == case.remarks
    assert set(found.plan.skipped.values()) == set(case.skipped)
    assert sorted(found.values) == sorted(tensors)
    for name, value in tensors.items():
        stored = value.astype(HALF) if "half" in str(case.remarks) or "float16" in str(case.remarks) else value
        expected = stored if name == "Logits/biases" else value
        np.testing.assert_array_equal(found.values[name], expected.astype("f4"), err_msg=name)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def test_averages_are_taken_where_they_are_asked_for(given: Path) -> None:
    tensors = odd.network()
    averages = {
        f"{name}/ExponentialMovingAverage": value + 1 for name, value in tensors.items() if "moving" not in name
    }
    prefix = odd.saved(given, tensors | averages)
    assert (account(prefix).values[f"{FIRST}/weights"] == tensors[f"{FIRST}/weights"]).all()
    found = account(prefix, weights="averages")
    assert found.stored.variables.remarks == ("268 variables taken from moving averages, as asked",)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found.values[name], value if "moving" in name else value + 1)


def test_scales_are_folded_so_that_the_outputs_stay(given: Path) -> None:
    import dataclasses

    import tensorflow as tf

    from finetune import network

    tensors = with_gamma(odd.network())
    generator = np.random.default_rng(3)
    for name in tensors:
        if name.endswith("gamma"):
            tensors[name] = generator.uniform(-1, 1.5, tensors[name].shape).astype("f4")
    found = account(odd.saved(given, tensors))
    (remark,) = found.stored.variables.remarks
    assert remark == f"scales (gamma) of 112 batch normalizations are folded into the weights, {naming.ONLY_FROZEN}"
    assert set(found.plan.skipped.values()) == {naming.IN_WEIGHTS}
    images = tf.constant(generator.normal(size=(2, 80, 80, 3)).astype("f4"))
    scaled = dataclasses.replace(V1, batch_norm=V1.batch_norm._replace(gamma=True))
    outputs = [
        network.forward_pass(backbone, images, {name: tf.constant(value) for name, value in values.items()})
        for backbone, values in ((scaled, tensors), (V1, found.values))
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def written(name: str, content: bytes) -> Callable[[Path, Tensors], Path]:
    def make(folder: Path, _: Tensors) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def cut(folder: Path, tensors: Tensors) -> Path:
    prefix = odd.saved(folder, tensors)
    data = Path(f"{prefix}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-2000])
    return prefix


def flipped(folder: Path, tensors: Tensors) -> Path:
    prefix = odd.saved(folder, tensors)
    data = Path(f"{prefix}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(bytes(content))
    return prefix


def two_folders(folder: Path, tensors: Tensors) -> Path:
    for name in ("first", "second"):
        odd.saved(folder / name / "deeper", tensors)
    return folder


def cut_zip(folder: Path, tensors: Tensors) -> Path:
    path = odd.zipped(folder / "20200102-030405.zip", odd.saved(folder / "in", tensors).parent)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


def quantized(folder: Path, tensors: Tensors) -> Path:
    made = odd.graph(tensors)
    made.node.add(name="q", op="Dequantize")
    (folder / "q.pb").write_bytes(made.SerializeToString())
    return folder / "q.pb"


PAGE = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 95745767\n"
BROWSER = "open it in a browser to see what it asks for, and download the file itself"
AGAIN = "download it again, and compare its size with what the page says"
FACENETS = "give a checkpoint of FaceNet's Inception-ResNet-v1, Inception-ResNet-v2 or SqueezeNet"
REFUSED = {
    "a web page as a graph": (written("m.pb", PAGE), f"m.pb: is a web page, not the file that it offers; {BROWSER}"),
    "a web page as a zip archive": (
        written("m.zip", PAGE),
        f"m.zip: is a web page, not the file that it offers; {BROWSER}",
    ),
    "a web page without a name": (written("m", PAGE), f"m: is a web page, not the file that it offers; {BROWSER}"),
    "a pointer of Git LFS": (
        written("m.pb", POINTER),
        "m.pb: is a pointer of Git LFS, which stands for the file; "
        "run git lfs pull in its clone, or download the file itself",
    ),
    "nothing as safetensors": (written("m.safetensors", b""), f"m.safetensors: is an empty file; {AGAIN}"),
    "a TFLite model": (
        written("m.tflite", b"\x1c\0\0\0TFL3" + bytes(90)),
        "m.tflite: is a TFLite model, which nothing can be trained from; give its original",
    ),
    "a RAR archive": (written("m.rar", b"Rar!\x1a\x07"), "m.rar: is a RAR archive; unpack it, and give what is in it"),
    "a 7z archive": (written("m.7z", b"7z\xbc\xaf'"), "m.7z: is a 7z archive; unpack it, and give what is in it"),
    "an image": (written("m.png", b"\x89PNG\r\n"), "m.png: is an image; give the checkpoint"),
    "a JSON file": (written("m.json", b'{"a": 1}'), "m.json: is a JSON file; give the weights that lie beside it"),
    "an XML file": (
        written("m.xml", b"<?xml version='1.0'?>"),
        "m.xml: is an XML file, such as the graph of an OpenVINO model; give what it was made from",
    ),
    "a NumPy array": (written("m.npy", b"\x93NUMPY\1\0"), "m.npy: is a NumPy array; give the checkpoint"),
    "a pickle": (written("m.pkl", b"\x80\x04N."), "m.pkl: is a pickle, but not PyTorch's; give the weights"),
    "a text": (written("m.txt", b"see the README\n"), "m.txt: is a text file; give the checkpoint"),
    "a zip archive that was cut": (
        cut_zip,
        f"20200102-030405.zip: is the beginning of a zip archive, whose end is missing; {AGAIN}",
    ),
    "a zip archive with a way out": (
        lambda folder, _: odd.zip_with(folder / "m.zip", "../../evil.index", b"x"),
        "m.zip: is an archive with a file outside itself ('../../evil.index'); "
        "if you trust it, unpack it yourself, and give the folder",
    ),
    "a zip archive with an absolute path": (
        lambda folder, _: odd.zip_with(folder / "m.zip", "/tmp/evil.index", b"x"),
        "m.zip: is an archive with a file outside itself ('/tmp/evil.index'); "
        "if you trust it, unpack it yourself, and give the folder",
    ),
    "a tar archive with a link": (
        lambda folder, _: odd.tar_with(folder / "m.tar", link("model.index")),
        "m.tar: is an archive with a link or a device ('model.index'); "
        "if you trust it, unpack it yourself, and give the folder",
    ),
    "a bomb": (
        lambda folder, _: odd.zip_with(folder / "m.zip", "model.index", bytes(2**27)),
        "m.zip: is an archive of 1 files and 128 MiB, more than any checkpoint has; "
        "if you trust it, unpack it yourself, and give the folder",
    ),
    "two folders": (two_folders, ": holds no checkpoint; give one of those in it: first/deeper, second/deeper"),
    "a quantized graph": (
        quantized,
        "q.pb: holds quantized weights, from which nothing can be trained; give the graph that it was made from",
    ),
    "two copies of the network": (
        of(lambda t: {f"{copy}/{name}": value for name, value in t.items() for copy in ("a", "b")}),
        f"{odd.NAME}.ckpt-3: holds 2 copies of the network, under a/ and b/; save one of them by itself",
    ),
    "NaN": (
        of(lambda t: t | {f"{FIRST}/weights": t[f"{FIRST}/weights"] * np.float32("nan")}),
        f"{odd.NAME}.ckpt-3: NaN or infinite values in 1 of 492 variables, {FIRST}/weights the first; "
        "take an earlier step",
    ),
    "an unknown variable in the scope": (
        of(lambda t: t | {f"{BLOCK}/attention/weights": np.ones((2, 3), "f4")}),
        f"{odd.NAME}.ckpt-3 {BLOCK}/attention/weights: shape [2, 3]; the network has no such variable",
    ),
    "another width": (
        of(lambda t: t | {f"{FIRST}/weights": np.ones((3, 3, 3, 64), "f4")}),
        f"{odd.NAME}.ckpt-3 {FIRST}/weights: shape [3, 3, 3, 64]; the network needs [3, 3, 3, 2]",
    ),
    "gamma of another width": (
        of(lambda t: t | {f"{FIRST}/BatchNorm/gamma": np.ones(7, "f4")}),
        f"{odd.NAME}.ckpt-3 {FIRST}/BatchNorm/gamma: shape [7]; the network has no such variable",
    ),
    "SqueezeNet": (
        of(lambda t: odd.renamed(t, SCOPE, "pnet")),
        f"{odd.NAME}.ckpt-3: holds MTCNN; {FACENETS}",
    ),
    "another network": (
        lambda folder, _: odd.saved(folder, {"resnet_v2_50/conv1/weights": np.ones(3, "f4")}),
        f"{odd.NAME}.ckpt-3: holds another network, with variables under resnet_v2_50; {FACENETS}",
    ),
}


@pytest.mark.parametrize(("make", "expected"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_in_a_line_that_says_what_it_is(given: Path, make, expected: str) -> None:
    path = make(given, odd.network())
    with pytest.raises(CheckpointError) as caught:
        account(path)
    (problem,) = map(str, caught.value.problems)
    assert problem == (f"{given}{expected}" if expected.startswith(":") else f"{given}/{expected}")
    assert not list((given.parent / "cache").rglob("*.index"))


def test_an_archive_in_an_archive_is_not_unpacked(given: Path) -> None:
    (given / "in").mkdir()
    odd.zipped(given / "in/inner.zip", odd.saved(given / "deeper", odd.network()).parent)
    path = odd.zipped(given / "outer.zip", given / "in", ".")
    with pytest.raises(CheckpointError) as caught:
        account(path)
    assert str(caught.value) == f"{path}: holds no checkpoint; unpack it; give one of those in it: inner.zip"


def test_a_problem_within_an_archive_names_the_archive(given: Path) -> None:
    (given / "in").mkdir()
    for name in ("a.pb", "b.pb"):
        (given / "in" / name).write_bytes(b"x")
    path = odd.zipped(given / "two.zip", given / "in", ".")
    with pytest.raises(CheckpointError) as caught:
        account(path)
    assert str(caught.value) == f"{path}: holds a.pb, b.pb; unpack it; name the one that is meant"


@pytest.mark.parametrize("make", [cut, flipped])
def test_damaged_values_are_found_by_their_checksum(given: Path, make) -> None:
    with pytest.raises(CheckpointError, match=r"damaged, or can't be read .*; copy the checkpoint again"):
        account(make(given, odd.network()))


def test_averages_that_are_not_there_are_said_to_be_missing(given: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no moving averages; take its variables: leave out averages"):
        account(odd.saved(given, odd.network()), weights="averages")


def test_an_archive_is_unpacked_once(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finetune.checkpoint import archives

    path = odd.zipped(given / "20200102-030405.zip", odd.saved(given / "in", odd.network()).parent)
    first = account(path)
    monkeypatch.delattr(archives, "_unpack")
    assert account(path).located == first.located
    assert first.located.folder.parent.name == "20200102-030405"
    assert accounting.locate(path).prefix == first.located.prefix
