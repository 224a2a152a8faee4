"""A run's folder with damaged files is refused in one line, or mended; it is never taken for another."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from finetune.errors import DataError, FinetuneError, UserError
from finetune.recipe.recipe import Recipe
from finetune.runs import runner
from tests.runs.of_numbers import altered, before_each_write, heard, outputs, unlike

pytestmark = pytest.mark.tf


@pytest.fixture
def finished(inputs, run):
    """Make a run, and return its folder and the contents."""
    run(resume=False)
    return inputs.recipe.output, outputs(inputs.recipe.output)


OF_STAGES = ["0-baseline/lfw.json", "1-head/result.json", "1-head/history.csv", "2-too-much/rejected_lfw.json"]
OF_STAGES += ["2-too-much/certificate.json", "3-last/strangers.json", "3-last/stat.h5", "3-last/held_back.json"]


@pytest.mark.slow
def test_a_stage_s_file_that_is_damaged_or_gone_is_told_and_nothing_is_written(finished, run):
    folder, before = finished
    for name in OF_STAGES:
        path, whole = folder / name, before[name]
        for damage in (altered, lambda path: path.write_bytes(b""), Path.unlink):
            damage(path)
            damaged = outputs(folder)
            with pytest.raises(DataError) as refused:
                run()
            (line,) = map(str, refused.value.problems)
            assert line.startswith(
                f"{path}: missing, or not what the run wrote; put back what the run wrote, or remove"
            )
            assert outputs(folder) == damaged
            path.write_bytes(whole)
    run()
    assert unlike(outputs(folder), before) == []


def test_stages_that_are_removed_are_made_again(finished, run):
    folder, before = finished
    altered(folder / "2-too-much/result.json")
    for name in ("2-too-much", "3-last"):
        shutil.rmtree(folder / name)
    run()
    assert unlike({**outputs(folder), "tensorboard/events": before["tensorboard/events"]}, before) == []


@pytest.mark.parametrize("name", ["inputs.json", "environment.json", "recipe.yaml", "1-head/files.sha256"])
def test_a_damaged_file_of_the_run_is_one_line(finished, run, name):
    folder, before = finished
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        (folder / name).write_bytes(content)
        with pytest.raises(FinetuneError) as refused:
            run()
        assert all(line.startswith(f"{folder / name.split('/')[0]}") for line in map(str, refused.value.problems))
        assert all(line.isprintable() for line in map(str, refused.value.problems))
    (folder / name).write_bytes(before[name])
    run()
    assert unlike(outputs(folder), before) == []


def test_a_recipe_that_was_changed_in_the_run_s_folder_is_told(finished, inputs):
    folder, _ = finished
    path = folder / "recipe.yaml"
    path.write_text(path.read_text().replace("epochs: 1\n", "epochs: 7\n"))
    with pytest.raises(UserError, match=r"recipe\.yaml: changed since it was written; put back what the run wrote"):
        runner.run(Recipe.load(path), resume=True)


@pytest.mark.parametrize("name", ["history.csv", "stat.h5", "result.json", "report.html"])
@pytest.mark.parametrize("damage", [altered, Path.unlink])
def test_what_the_stages_hold_is_made_again(finished, run, name, damage):
    folder, before = finished
    damage(folder / name)
    run()
    assert unlike(outputs(folder), before) == []


@pytest.mark.slow
def test_a_damaged_state_starts_its_stage_again_and_says_so(inputs, run, tmp_path, capsys):
    folder, state = inputs.recipe.output, inputs.recipe.output / ".resume/state.npz"
    snapshot = tmp_path / "snapshot"

    def look(what):
        if state.exists() and (folder / "2-too-much").exists() and not snapshot.exists():
            shutil.copytree(folder, snapshot)

    sys.addaudithook(heard)
    with before_each_write(look):
        run(resume=False)
    expected, whole = outputs(folder), (snapshot / ".resume/state.npz").read_bytes()
    capsys.readouterr()
    told = 0
    for place in [*range(0, len(whole), len(whole) // 40), "cut", "empty"]:
        shutil.rmtree(folder)
        shutil.copytree(snapshot, folder)
        content = bytearray(whole)
        if place == "cut":
            del content[-100:]
        elif place == "empty":
            content.clear()
        else:
            content[place] ^= 8
        state.write_bytes(content)
        run()
        told += "state.npz: " in (said := capsys.readouterr().out)
        assert "state.npz: " not in said or "the unfinished stage is trained from its first epoch again" in said
        assert unlike({**outputs(folder), "tensorboard/events": expected["tensorboard/events"]}, expected) == []
    assert told > 20


def mutant(content: bytes, generator: random.Random) -> bytes:
    """Return the content cut, with a part set to zeros, or with some bytes changed."""
    changed, kind = bytearray(content), generator.random()
    if not changed or kind < 0.1:
        return content[: generator.randrange(len(content) + 1)]
    place = generator.randrange(len(changed))
    if kind < 0.2:
        changed[place : place + 32] = bytes(len(changed[place : place + 32]))
        return bytes(changed)
    for _ in range(generator.choice((1, 1, 1, 2, 8, 32))):
        place = generator.randrange(len(changed))
        changed[place] = generator.choice((0, 255, changed[place] ^ 1 << generator.randrange(8)))
    return bytes(changed)


@pytest.mark.slow
def test_of_mutants_of_its_files_a_run_is_refused_or_ends_as_if_they_were_whole(inputs, run, tmp_path):
    folder, generator = inputs.recipe.output, random.Random(5)
    unfinished = tmp_path / "unfinished"

    def look(what):
        if (folder / ".resume/state.npz").exists() and (folder / "2-too-much").exists() and not unfinished.exists():
            shutil.copytree(folder, unfinished, ignore=shutil.ignore_patterns(".lock"))

    sys.addaudithook(heard)
    with before_each_write(look):
        run(resume=False)
    expected = outputs(folder)
    finished = shutil.copytree(folder, tmp_path / "finished")
    wrong, refused = [], 0
    for _ in range(int(os.environ.get("FINETUNE_MUTANTS", "40"))):
        source = generator.choice((unfinished, finished))
        shutil.rmtree(folder)
        shutil.copytree(source, folder)
        files = [path for path in folder.rglob("*") if path.is_file() and "tfevents" not in path.name]  # never read
        path = generator.choice(sorted(files))
        path.write_bytes(mutant(path.read_bytes(), generator))
        name, damaged = path.relative_to(folder).as_posix(), outputs(folder)
        try:
            run()
        except FinetuneError as error:
            refused += 1
            if outputs(folder) != damaged or not all(line.isprintable() for line in map(str, error.problems)):
                wrong.append((name, f"{unlike(outputs(folder), damaged)} {error}"))
        else:
            wrong += [(name, other) for other in unlike(outputs(folder), expected) if other != "tensorboard/events"]
    assert not wrong, "\n".join(f"{name}: {how}" for name, how in wrong)
    assert refused > 0
