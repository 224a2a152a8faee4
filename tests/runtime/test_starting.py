"""TensorFlow starts silently for every importer, and never in a forked process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from finetune.errors import UserError
from finetune.runtime import starting as runtime

NOISY = """
import os, sys
os.write(2, b"a note that nobody asked for\\n")
print("a line of Python's", file=sys.stderr)
"""


def imported(folder, level=None):
    """Return stderr and TF_CPP_MIN_LOG_LEVEL of a process that imports a noisy package of TensorFlow's name."""
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow/__init__.py").write_text(NOISY)
    code = f"import finetune, tensorflow, os; os.write(2, b'after'); print(os.environ[{runtime.LEVEL!r}])"
    given = {name: value for name, value in os.environ.items() if name != runtime.LEVEL}
    given |= {"PYTHONPATH": str(folder)} | ({} if level is None else {runtime.LEVEL: level})
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    return done.stderr, done.stdout.strip()


def test_the_first_import_is_silent_and_what_follows_is_not(tmp_path):
    assert imported(tmp_path) == ("after", "1")


def test_level_0_shows_all(tmp_path):
    assert imported(tmp_path, "0") == ("a note that nobody asked for\na line of Python's\nafter", "0")


def test_stderr_comes_back_after_a_failure(capfd):
    def fail():
        with runtime.silent_stderr():
            os.write(2, b"hidden\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_a_forked_process_is_refused_where_its_parent_has_computed(monkeypatch):
    runtime.refuse_fork()  # as the process that computes
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)  # as the child sees it
    with pytest.raises(UserError) as caught:
        runtime.refuse_fork()
    (line,) = map(str, caught.value.problems)
    assert line.startswith(f"process {parent + 1}: forked from process {parent}, which had used TensorFlow")
    assert "restore the model in each worker" in line
