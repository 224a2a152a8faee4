"""Every way to name a checkpoint finds the same files, and missing files are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finetune.checkpoint.location import locate
from finetune.errors import CheckpointError

pytestmark = pytest.mark.tf

NAME = "model-20200102-030405.ckpt-90"
INDEX, DATA = f"{NAME}.index", f"{NAME}.data-00000-of-00001"
TABLE_END = bytes.fromhex("57fb808b247547db")
EXPECTED = (
    "give a folder, a prefix or any file of a TF1 checkpoint, or a file that ends in "
    ".pb, .pbtxt, .safetensors, .pt, .h5, .keras, .onnx or .zip"
)


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def state(folder: Path, path: str) -> None:
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{path}"\nall_model_checkpoint_paths: "{path}"\n')


def problem(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        locate(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["", NAME, INDEX, DATA, f"{NAME}.meta", "model-20200102-030405.meta", "model-20200102-030405", "checkpoint"],
)
@pytest.mark.parametrize("form", ["absolute", "relative", "home"])
def test_every_name_of_a_checkpoint_means_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, form: str
) -> None:
    folder = make(tmp_path / "models", INDEX, DATA, "model-20200102-030405.meta")
    state(folder, NAME)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = {"absolute": str(tmp_path), "relative": ".", "home": "~"}[form]
    found = locate(f"{root}/models/{given}")
    assert found.format.name == "tf1"
    assert found.name == NAME
    assert [path.resolve() for path in found.files] == [folder / INDEX, folder / DATA]


@pytest.mark.parametrize(
    "path",
    [
        f"/home/someone/models/{NAME}",
        f"C:\\\\models\\\\{NAME}",
        f"./{NAME}",
    ],
)
def test_a_checkpoint_file_from_another_machine_means_the_files_beside_it(tmp_path: Path, path: str) -> None:
    state(make(tmp_path, INDEX, DATA), path)
    assert locate(tmp_path).prefix == tmp_path / NAME


def test_a_checkpoint_file_may_name_another_folder(tmp_path: Path) -> None:
    there = make(tmp_path / "there", INDEX, DATA)
    here = make(tmp_path / "here")
    for path in (str(there / NAME), f"../there/{NAME}"):
        state(here, path)
        assert locate(here).prefix.resolve() == there / NAME


def test_the_files_beside_a_checkpoint_file_go_before_those_that_its_path_names(tmp_path: Path) -> None:
    """Use the files of a copied folder, although the place that it was copied from still exists."""
    there, here = make(tmp_path / "there", INDEX, DATA), make(tmp_path / "here", INDEX, DATA)
    state(here, str(there / NAME))
    assert locate(here).prefix == here / NAME


def test_a_checkpoint_file_escapes_names_as_protocol_buffers_do(tmp_path: Path) -> None:
    make(tmp_path, "modèle.ckpt-1.index", "modèle.ckpt-1.data-00000-of-00001")
    state(tmp_path, "mod\\303\\250le.ckpt-1")
    assert locate(tmp_path).name == "modèle.ckpt-1"


def test_without_a_checkpoint_file_the_highest_step_is_taken(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        make(tmp_path, f"model-a.ckpt-{step}.index", f"model-a.ckpt-{step}.data-00000-of-00001")
    assert locate(tmp_path).name == "model-a.ckpt-100"
    assert locate(tmp_path / "model-a.meta").name == "model-a.ckpt-100"
    assert locate(tmp_path / "model-a.ckpt-20").name == "model-a.ckpt-20"


def test_every_shard_belongs_to_the_checkpoint(tmp_path: Path) -> None:
    shards = [f"{NAME}.data-0000{i}-of-00003" for i in range(3)]
    make(tmp_path, INDEX, *shards)
    assert [path.name for path in locate(tmp_path / shards[1]).files] == [INDEX, *shards]


def test_a_frozen_graph_is_found_by_name_and_alone_in_its_folder(tmp_path: Path) -> None:
    graph = make(tmp_path, "20200102-030405.pb") / "20200102-030405.pb"
    for given in (tmp_path, graph):
        found = locate(given)
        assert (found.format.name, found.name, found.files) == ("frozen", "20200102-030405", (graph,))


def test_beside_a_frozen_graph_the_checkpoint_is_taken(tmp_path: Path) -> None:
    make(tmp_path, "20200102-030405.pb", INDEX, DATA)
    assert locate(tmp_path).name == NAME


def test_a_file_of_the_first_format_is_told_by_its_last_bytes(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt-5").write_bytes(b"table" + TABLE_END)
    (tmp_path / "model.ckpt-6").write_bytes(b"no \xff table")
    assert locate(tmp_path / "model.ckpt-5").files == (tmp_path / "model.ckpt-5",)
    assert problem(tmp_path / "model.ckpt-6") == f"{tmp_path}/model.ckpt-6: is not a checkpoint; {EXPECTED}"


@pytest.mark.parametrize("given", ["", NAME, DATA, INDEX])
@pytest.mark.parametrize("missing", [INDEX, DATA])
def test_a_missing_half_is_named(tmp_path: Path, given: str, missing: str) -> None:
    make(tmp_path, *{INDEX, DATA} - {missing})
    state(tmp_path, NAME)
    assert problem(tmp_path / given) == f"{tmp_path / missing}: is missing, and {NAME} can't be read without it"


def test_each_missing_shard_is_named(tmp_path: Path) -> None:
    make(tmp_path, INDEX, f"{NAME}.data-00001-of-00004", f"{NAME}.data-00003-of-00004")
    assert problem(tmp_path).splitlines() == [
        f"{tmp_path}/{NAME}.data-0000{i}-of-00004: is missing, and {NAME} can't be read without it" for i in (0, 2)
    ]


def two_trainings(folder: Path) -> None:
    make(folder, "model-a.ckpt-1.index", "model-b.ckpt-2.index")


def two_graphs(folder: Path) -> None:
    make(folder, "a.pb", "b.pb")


def a_folder_of_folders(folder: Path) -> None:
    make(folder / "first", INDEX, DATA)
    make(folder / "second", "graph.pb")
    make(folder / "third", "notes.txt")


def a_state_that_names_what_is_gone(folder: Path) -> None:
    state(make(folder, INDEX, DATA), "/old/model-x.ckpt-1")


def a_state_without_a_path(folder: Path) -> None:
    make(folder, "checkpoint")


def a_state_with_a_broken_path(folder: Path) -> None:
    state(make(folder), "\\303")


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        (make, f"holds no checkpoint; {EXPECTED}"),
        (two_trainings, "holds model-a.ckpt-1, model-b.ckpt-2; name the one that is meant"),
        (two_graphs, "holds a.pb, b.pb; name the one that is meant"),
        (a_folder_of_folders, "holds no checkpoint; give one of those in it: first, second"),
        (
            a_state_that_names_what_is_gone,
            f"names /old/model-x.ckpt-1, which isn't there; the folder holds {NAME}; give that one",
        ),
        (a_state_without_a_path, "names no model_checkpoint_path; remove it, or give a checkpoint's prefix"),
        (a_state_with_a_broken_path, "is damaged; remove it, or give a checkpoint's prefix"),
    ],
)
def test_a_folder_that_means_no_one_checkpoint_is_explained(tmp_path: Path, arrange, expected: str) -> None:
    arrange(tmp_path)
    where = tmp_path / "checkpoint" if "state" in arrange.__name__ else tmp_path
    assert problem(tmp_path) == f"{where}: {expected}"


@pytest.mark.parametrize("given", ["nothing", "nothing.pb", "no/folder/model.ckpt-1.index", "~nobody-by-this-name/x"])
def test_what_does_not_exist_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    message = problem(Path(given))
    assert message.startswith(f"{given}: no such ")
    assert message.endswith(EXPECTED)


def test_a_checkpoint_with_a_step_is_later_than_one_without(tmp_path: Path) -> None:
    for name in ("model-a.ckpt", "model-a.ckpt-0"):
        make(tmp_path, f"{name}.index", f"{name}.data-00000-of-00001")
    assert locate(tmp_path).name == "model-a.ckpt-0"


def test_a_checkpoint_file_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match="holds no checkpoint; give a folder"):
        locate(tmp_path)
