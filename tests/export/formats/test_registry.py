"""A format's record alone decides its extra, its reader, what it accepts, and what the command says of it."""

from __future__ import annotations

import argparse
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from finetune.backbones import BACKBONES, DEFAULT
from finetune.cli import export as command
from finetune.errors import UserError
from finetune.export import reload
from finetune.export.formats import FORMATS, QUANTIZATIONS, Content, Format, find, registry
from finetune.export.formats.keras_weights import NAMED
from finetune.images.preprocessing import Preprocessing

SETUP = Path(__file__).resolve().parents[3] / "setup.py"


@pytest.fixture
def numbers(monkeypatch) -> Format:
    """Register a format while the test runs: a text file with the number of weights in it."""

    def write(content, folder):
        (folder / f"{folder.name}.txt").write_text(str(sum(value.size for value in content.tensors.values())))

    record = Format("numbers", "a count", write, {"int8": write}, suffix=".txt", packages=("numpy", "no_such_package"))
    monkeypatch.setitem(FORMATS, "numbers", record)
    return record


@pytest.fixture
def extras(monkeypatch) -> dict[str, list[str]]:
    """Return the extras of setup.py, each with its requirements."""
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **options: given.update(options))
    runpy.run_path(str(SETUP))
    return given["extras_require"]


def parsed(to: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    return parser.parse_args(["model", "out", "--to", to])


def test_each_format_has_what_reads_it_again_and_nothing_else_has():
    readers = {format.reader or format.name for format in (*FORMATS.values(), *NAMED.values())}
    assert set(reload.RUNTIMES) == readers - {"finetune"}
    assert all(format.name == name for name, format in FORMATS.items())


def test_the_packages_of_a_format_are_in_the_extra_of_its_name(extras):
    for name, format in FORMATS.items():
        required = {requirement.partition(">=")[0].replace("-", "_") for requirement in extras.get(name, [])}
        assert required == set(format.packages), name


def test_a_new_format_is_its_record(numbers, monkeypatch, tmp_path):
    with pytest.raises(UserError, match=r"^numbers: no_such_package not installed"):
        find("numbers")
    monkeypatch.setattr(registry, "find_spec", lambda package: object())
    assert find("numbers") == numbers
    assert find("numbers", "int8").tolerance == find("tflite", "int8").tolerance != numbers.tolerance

    folder = tmp_path / "mine"
    folder.mkdir()
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}
    find("numbers").write(Content(BACKBONES[DEFAULT], tensors, Preprocessing(160), ("ann", "bob"), 0), folder)
    assert {path.name for path in folder.iterdir()} == {"mine.txt", "preprocessing.json", "class_names.txt"}
    assert (folder / "mine.txt").read_text() == "17"
    assert json.loads((folder / "preprocessing.json").read_text())["image_size"] == 160
    assert (folder / "class_names.txt").read_text() == "ann\nbob\n"


def test_the_command_takes_the_formats_that_are_registered(numbers):
    assert parsed("numbers").to == "numbers"
    with pytest.raises(argparse.ArgumentError, match="invalid choice: 'number'"):
        parsed("number")


def test_a_quantized_format_is_written_by_the_writer_of_that_quantization(monkeypatch, tmp_path):
    def writer(text):
        return lambda content, folder: (folder / "made").write_text(text)

    record = Format("made", "", writer("float32"), {name: writer(name) for name in QUANTIZATIONS})
    monkeypatch.setitem(FORMATS, "made", record)
    content = Content(BACKBONES[DEFAULT], {}, Preprocessing(160), (), 0)
    for quantize in (None, *QUANTIZATIONS):
        find("made", quantize).write(content, tmp_path)
        assert (tmp_path / "made").read_text() == (quantize or "float32")


@pytest.mark.parametrize(
    ("name", "module"), [("onnx", "tf2onnx"), ("tflite", "ai_edge_litert"), ("openvino", "openvino")]
)
def test_an_extra_that_is_not_installed_is_named(name, module, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda package: None if package == module else object())
    with pytest.raises(UserError, match=rf"{name}: {module} not installed; pip install 'facenet-finetune\[{name}\]'"):
        find(name)


@pytest.mark.parametrize(
    ("to", "quantize", "message"),
    [
        ("ckpt", None, f"format: found 'ckpt'; give one of {', '.join(FORMATS)}"),
        ("pb", "int8", "quantize: found 'int8' for pb; give float16 or int8, for tflite alone"),
        ("tflite", "int4", "quantize: found 'int4' for tflite; give float16 or int8, for tflite alone"),
    ],
)
def test_formats_that_there_are_not_are_refused(to, quantize, message):
    with pytest.raises(UserError) as raised:
        find(to, quantize)
    assert str(raised.value) == message
