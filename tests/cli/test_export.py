"""Output of the command `export`, and the lines that say why it fails."""

from __future__ import annotations

import shutil

import pytest

from finetune.checkpoint.location import EXPECTED
from tests.cli.test_bad_options import bad

pytestmark = pytest.mark.tf

WRONG = [
    bad("no format", "export model out", "the following arguments are required: --to; see finetune export --help"),
    bad(
        "a format that there is not",
        "export model out --to caffe2",
        "argument --to: invalid choice: 'caffe2' (choose from ...); see finetune export --help",
    ),
    bad(
        "a program for a format",
        "export model out --to deepface",
        "argument --to: deepface takes --to h5 --names deepface; see finetune export --help",
    ),
    bad(
        "a program with a format of its own",
        "export model out --to h5 --names facenet-pytorch",
        "argument --names: facenet-pytorch takes --to pytorch; see finetune export --help",
    ),
    bad(
        "a file's name",
        "export model out.onnx --to onnx",
        "out.onnx: an export is a folder; its file has the folder's name; give out",
    ),
    bad(
        "a folder in use",
        "export model faces --to pb",
        "faces: already there and not an empty folder; give another, or remove it",
    ),
    bad(
        "a path that TensorFlow can't open",
        "export model 'out[1]' --to tf1",
        "out[1]: TensorFlow opens no path with '[' or '\\' in it; rename it",
    ),
    bad(
        "an empty folder",
        "export bad/empty out --to pb",
        f"bad/empty: holds no checkpoint; {EXPECTED}",
    ),
    bad(
        "no checkpoint",
        "export nowhere out --to pb",
        f"nowhere: no such file or folder; {EXPECTED}",
    ),
    bad(
        "quantized Keras",
        "export model out --to keras --quantize int8",
        "quantize: found 'int8' for keras; give float16 or int8, for tflite alone",
    ),
    bad(
        "LFW without pairs",
        "export model out --to pb --lfw faces/strangers",
        "--lfw: given without --pairs; give both, or neither",
    ),
    bad(
        "pairs without LFW",
        "export model out --to pb --pairs faces/pairs.txt",
        "--pairs: given without --lfw; give both, or neither",
    ),
]


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_what_can_not_be_exported_is_said_and_nothing_written(refused, command, lines):
    refused(command, *lines)


def test_its_help_names_every_format_there_is(finetune, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    text = " ".join(" ".join(finetune("export", "--help").out).split())
    for name in ("tf1", "pb", "saved_model", "keras", "h5"):
        assert f"{name}: a" in text
    for name in ("onnx", "tflite", "openvino"):
        assert f"{name}: a" in text
        assert f"(extra: pip install 'facenet-finetune[{name}]')" in text
    assert "--quantize {float16,int8}" in text


def test_an_interpreter_that_is_not_there_is_named(work, finetune, monkeypatch):
    monkeypatch.setenv("FINETUNE_TF1_PYTHON", "/nowhere/python")
    ended = finetune("export", "model", "out", "--to", "tf1")
    line = "found '/nowhere/python', which can't be run; name a Python with its runtime"
    assert (ended.status, ended.err) == (2, [f"finetune export: FINETUNE_TF1_PYTHON: {line}"])


@pytest.mark.slow
def test_what_was_compared_is_printed(work, finetune, monkeypatch):
    monkeypatch.delenv("FINETUNE_TF1_PYTHON", raising=False)
    shutil.copytree((work / "model").resolve(), work / "own")
    command = "export own exports/mine --to pb --head --lfw faces/strangers --pairs faces/pairs.txt"
    ended = finetune(*command.split())
    assert (ended.status, ended.err) == (0, [])
    assert ended.out[0] == "exports/mine: pb of own/model-demo.ckpt-0"
    assert ended.out[1].startswith("  TensorFlow 2")
    names = [line.split(":")[0].strip() for line in ended.out[2:]]
    assert names[:4] == ["embeddings", "logits", "probabilities", "LFW accuracy"]
    assert set(names[4:]) == {"note"}
    assert any("80 x 80 pixels, of which the central 75 x 75 are used" in line for line in ended.out)
    assert sorted(path.name for path in (work / "exports/mine").iterdir()) == [
        "certificate.json",
        "mine.pb",
        "preprocessing.json",
    ]
    # A frozen graph is a checkpoint again.
    assert finetune("inspect", "exports/mine").status == 0
