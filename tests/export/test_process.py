"""The choice of the Python that reads an export again."""

from __future__ import annotations

import sys

import pytest

from finetune.errors import UserError
from finetune.export.formats import FORMATS
from finetune.export.process import interpreter


def test_tensorflow_1_reads_what_is_made_for_it_where_it_is_named(monkeypatch):
    monkeypatch.setenv("FINETUNE_TF1_PYTHON", "sh")
    theirs = {name for name, format in FORMATS.items() if interpreter(format) == "sh"}
    assert theirs == {"tf1", "pb"}
    assert all(interpreter(FORMATS[name]) == sys.executable for name in FORMATS.keys() - theirs)


def test_a_python_that_can_not_be_run_matters_to_the_formats_of_tensorflow_1_alone(monkeypatch):
    monkeypatch.setenv("FINETUNE_TF1_PYTHON", "/nowhere/python")
    assert interpreter(FORMATS["onnx"]) == sys.executable
    with pytest.raises(UserError, match="FINETUNE_TF1_PYTHON: found '/nowhere/python', which can't be run"):
        interpreter(FORMATS["tf1"])
    monkeypatch.delenv("FINETUNE_TF1_PYTHON")
    assert interpreter(FORMATS["tf1"]) == sys.executable
