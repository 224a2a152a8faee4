"""Later faults give exit status 1 (128 + N after a signal) and one line, and good results are kept."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
CHECKPOINT = 90 * MIB
"""Size a little below a whole checkpoint. The resume state of `Repeat_2` and later units is larger still."""

TWO_STAGES = """\
checkpoint: model
output: out
data: {train: faces/learn}
batch_size: 24
stages:
  - {name: head, train_from: Logits, epochs: 1}
  - {name: last block, train_from: Block8, epochs: 2}
"""


@pytest.fixture
def two_stages(work: Path) -> Path:
    (work / "recipe.yaml").write_text(TWO_STAGES)
    return work


@contextlib.contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """Limit every file to this size within a `with` block, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def finished(output: Path) -> list[str]:
    """Return the stages that can be restored."""
    from finetune.model import Model

    folders = sorted(path.parent for path in output.glob("[1-9]-*/checkpoint"))
    assert all(Model.restore(folder).num_classes == 4 for folder in folders)
    return [folder.name for folder in folders]


@pytest.mark.slow
def test_a_disk_that_fills_in_a_stage_keeps_the_stage_before(two_stages: Path, finetune):
    with full_disk(CHECKPOINT + 30 * MIB):
        ended = finetune("run", "recipe.yaml", "stages.1.train_from=Repeat_2")
    assert ended.status == 1
    (line,) = ended.err
    assert line == (
        "finetune run: out/.resume/state.npz: can't be written (File too large); "
        "what stood there before is whole; make room"
    )
    assert finished(two_stages / "out") == ["1-head"]


@pytest.mark.slow
def test_a_disk_too_full_for_a_checkpoint_leaves_no_half_of_it_and_the_run_goes_on_when_there_is_room(
    two_stages: Path, finetune
):
    recipe = two_stages / "recipe.yaml"
    recipe.write_text("".join(recipe.read_text().splitlines(keepends=True)[:-1]))
    with full_disk(CHECKPOINT // 2):
        ended = finetune("run", "recipe.yaml")
    assert ended.status == 1
    (line,) = ended.err
    assert line.startswith("finetune run: out/")
    assert line.endswith(": can't be written (File too large); make room, or choose another folder")
    assert finished(two_stages / "out") == []
    assert not list((two_stages / "out").rglob("*.data-*"))

    ended = finetune("run", "recipe.yaml", "--resume")
    assert (ended.status, ended.err) == (0, [])
    assert finished(two_stages / "out") == ["1-head"]


def test_a_full_disk_leaves_the_embeddings_of_before(work: Path, finetune):
    assert finetune("embed", "model", "faces/learn/person_001", "out.npz").status == 0
    before = (work / "out.npz").read_bytes()
    with full_disk(1000):
        ended = finetune("embed", "model", "faces/learn", "out.npz")
    assert ended.status == 1
    assert ended.err[-1] == (
        "finetune embed: out.npz: can't be written (File too large); what stood there before is whole; make room"
    )
    assert (work / "out.npz").read_bytes() == before
    assert {path.name for path in work.iterdir()} == {"faces", "model", "recipe.yaml", "out.npz"}


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_stage_before(two_stages: Path, finetune):
    ended = finetune("run", "recipe.yaml", "stages.1.learning_rate=1.0e+38")
    assert ended.status == 1
    (line,) = ended.err
    assert line.startswith("finetune run: stage 'last block', epoch ")
    assert line.endswith(": the loss became nan; the weights from before are kept; lower its learning_rate (now 1e+38)")
    assert finished(two_stages / "out") == ["1-head"]


@pytest.mark.slow
def test_an_image_that_goes_during_a_run_is_named(two_stages: Path, finetune, monkeypatch: pytest.MonkeyPatch):
    from finetune.report import tables

    shutil.copytree(two_stages / "faces" / "learn", two_stages / "mine")
    gone = Path("mine/person_002/person_002_0003.png")
    monkeypatch.setattr(tables, "stage_header", lambda *_: gone.unlink())
    ended = finetune("run", "recipe.yaml", "data.train=mine", "cache=off")
    assert ended.status == 1
    assert ended.err == [
        f"finetune run: {gone}: no such file; it could be read when the run began: put it back and resume"
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_signal_says_how_to_resume(
    number: signal.Signals, two_stages: Path, finetune, monkeypatch: pytest.MonkeyPatch
):
    from finetune.report import tables

    output = two_stages / "my runs" / "1"
    with monkeypatch.context() as patch:
        patch.setattr(tables, "epoch", lambda *_: signal.raise_signal(number))
        ended = finetune("run", "recipe.yaml", "output=my runs/1", "stages.1.epochs=1")
    assert ended.status == 128 + number
    (line,) = ended.err
    said, _, command = line.partition("resume with: finetune ")
    assert said == f"finetune run: stopped by {number.name}; "
    assert finished(output) == []
    if number == signal.SIGTERM:
        assert finetune(*shlex.split(command)).status == 0
        assert finished(output) == ["1-head", "2-last-block"]


def test_ctrl_c_ends_any_command(finetune, monkeypatch: pytest.MonkeyPatch):
    from finetune.model import Model

    monkeypatch.setattr(Model, "embed", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    try:
        ended = finetune("embed", "model", "faces/learn", "out.npz")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.status, ended.err[-1]) == (130, "finetune embed: interrupted")


def test_a_fault_of_ours_is_one_line_and_the_rest_is_for_us(finetune, monkeypatch: pytest.MonkeyPatch):
    from finetune.model import Model

    def fault(*_: object, **__: object) -> np.ndarray:
        raise KeyError("what nobody\nthought of")

    monkeypatch.setattr(Model, "embed", fault)
    ended = finetune("embed", "model", "faces/learn/person_001", "out.npz")
    assert ended.status == 1
    assert ended.err[-1] == (
        r"finetune embed: internal error: KeyError: 'what nobody\nthought of' "
        "(FINETUNE_DEBUG=1 shows where; please report it)"
    )
    monkeypatch.setenv("FINETUNE_DEBUG", "1")
    with pytest.raises(KeyError):
        finetune("embed", "model", "faces/learn/person_001", "out.npz")


@pytest.mark.parametrize(
    ("shell", "status", "line"),
    [
        ("{finetune} check recipe.yaml > /dev/full", 1, "finetune check: No space left on device\n"),
        ("{finetune} check recipe.yaml | true; exit ${{PIPESTATUS[0]}}", 1, ""),
    ],
    ids=["a full disk", "a reader that has gone"],
)
def test_output_that_can_not_be_written_is_no_traceback(shell: str, status: int, line: str, work: Path):
    finetune = f"{shlex.quote(sys.executable)} -m finetune"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", shell.format(finetune=finetune)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stderr) == (status, line)
