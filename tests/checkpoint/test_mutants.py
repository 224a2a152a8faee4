"""Damaged and hostile weights end as a network or as one line, with no code run and little memory taken."""

from __future__ import annotations

import os
import pickle
import random
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from finetune import backbones
from finetune.checkpoint.accounting import account
from finetune.errors import CheckpointError, Problem
from finetune.export.formats import FORMATS, Content, find
from finetune.images.preprocessing import Preprocessing
from finetune.words import escaped
from tests.checkpoint import odd
from tests.mutants import mutated

pytestmark = pytest.mark.tf
MUTANTS = int(os.environ.get("FINETUNE_MUTANTS", "60"))
"""Number of mutants of each file."""
MOST_BYTES = 1.5 * 2**30
"""Most memory that the process may have taken."""


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(backbones.BACKBONES, odd.V1.name, odd.V1)
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))


def content() -> Content:
    """Return the narrow network, with the number of values that each format takes."""
    return Content(odd.V1, odd.network(), Preprocessing(160), (), 0)


def exported(to: str, folder: Path) -> Path:
    """Write the narrow network in a format, and return the file that holds the weights."""
    folder.mkdir()
    format = find(to)
    made = content()
    if to == "pytorch":  # whose network has 512 values
        shapes = {name: value.shape for name, value in made.tensors.items()}
        wide = {name: np.zeros([512 if side == 8 else side for side in shape], "f4") for name, shape in shapes.items()}
        made = Content(odd.V1, wide, made.preprocessing, (), 0)
    format.write(made, folder)
    return folder / f"{folder.name}{format.suffix}"


def keras(folder: Path) -> Path:
    """Write the narrow network, without its head, as weights for a Keras model."""
    folder.mkdir()
    made = content()
    body = {name: value for name, value in made.tensors.items() if not odd.V1.is_head(name)}
    find("h5", names="deepface").write(Content(odd.V1, body, made.preprocessing, (), 0), folder)
    return folder / f"{folder.name}.h5"


def index(folder: Path) -> Path:
    return Path(f"{odd.saved(folder, odd.network())}.index")


def data(folder: Path) -> Path:
    return Path(f"{odd.saved(folder, odd.network())}.data-00000-of-00001")


def archive(folder: Path) -> Path:
    folder.mkdir()
    return odd.zipped(folder / "20200102-030405.zip", odd.saved(folder / "in", odd.network()).parent)


FILES = {
    ".index": index,
    ".data": data,
    ".zip": archive,
    ".h5": keras,
    **{FORMATS[to].suffix: lambda folder, to=to: exported(to, folder) for to in ("pytorch", "safetensors", "pb")},
}


def outcome(path: Path) -> tuple[list[np.ndarray], tuple[Problem, ...]]:
    """Return the values of a checkpoint, or its problems."""
    try:
        return [*account(path).values.values()], ()
    except CheckpointError as error:
        return [], error.problems


def peak() -> int:
    """Return the most bytes that this process has held so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_mutant_is_a_network_or_one_line(make, tmp_path: Path, capfd) -> None:
    before, path = peak(), make(tmp_path / "given")
    whole, generator = path.read_bytes(), random.Random(path.suffix)
    read = 0
    for _ in range(MUTANTS):
        path.write_bytes(mutated(whole, generator))
        values, problems = outcome(path)
        read += not problems
        assert all(escaped(str(problem)).isprintable() for problem in problems)  # as commands print them
        assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in values)
    assert read < MUTANTS
    assert peak() <= max(MOST_BYTES, before)  # another test of this process may have taken more
    assert capfd.readouterr().out == ""


class Hostile:
    """Object whose pickle calls a function when it is loaded."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call  # type: ignore[return-value]


@pytest.mark.parametrize("place", ["alone", "beside", "within"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_hostile_pickle_runs_nothing(place, protocol, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    harm = Hostile(os.mkdir, str(trace))
    value = {"alone": harm, "beside": {"state_dict": {}, "options": harm}, "within": {"state_dict": {"w": harm}}}[place]
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/data.pkl", pickle.dumps(value, protocol))
        file.writestr("m/version", "3\n")
    with pytest.raises(CheckpointError) as caught:
        account(path)
    assert len(caught.value.problems) == 1
    assert not trace.exists()
