"""Every command that the documentation shows is run, page by page, and prints the output that the page shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.cli import main
from tests.docs import outputs, world
from tests.docs.test_shown_commands import FILES, ROOT, shown

pytestmark = [pytest.mark.tf, pytest.mark.slow]

ELSEWHERE = {
    "strategy=multi_worker": "tests/training/test_strategy.py starts two workers",
    "--discard": "tests/cli/test_discard.py has as many pairs as it takes",
    "--watch": "tests/cli/test_watching.py starts and stops it",
    "friends.h5 faces.csv": "tests/cli/test_gallery.py has such a list",
    "friends.h5 clusters": "tests/cli/test_gallery.py has such a folder",
    "lfw fetch": "tests/test_downloads.py gives scikit-learn's fetcher its files",
}
"""Parts of the commands that other tests run, each with that test."""
OUTPUTS_ELSEWHERE = {
    "first-fine-tuning.md": "of the demo; tests/test_demo.py",
    "gates-and-verdict.md": "a verdict on better weights than the drawn ones; tests/verification/test_verdicts.py",
    "identification.md": "of people of LFW; tests/verify/labelled.py",
    "thresholds.md": "a refusal; tests/cli/test_gallery.py",
}
"""Pages whose output is not that of their commands, each with the test of that output."""
FORMS = ("…", "...", "[", "|")
"""Marks of a line that gives the form of a command and is not a command."""
PLACES = {"CHECKPOINT": f"~/{world.CHECKPOINT}", "FACES": "~/faces_182"}
NEEDS_GALLERY = {"friends.h5", "people.h5"}
PAGES = [path for path in FILES if any(shown(path)) and "reference" not in path.parts]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, drawn_checkpoint: Path, faces: Path) -> Iterator[Path]:
    """Yield a folder with `home`, `clone` and a copy of both, because aligned folders know where their photos lie."""
    root = tmp_path_factory.mktemp("world")
    home, clone = root / "home", root / "clone"
    clone.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        world.make_home(home, drawn_checkpoint, succeed)
        world.make_clone(clone, home, succeed)
        world.make_demo(clone, faces, drawn_checkpoint)
    for folder in (home, clone):
        shutil.copytree(folder, root / "kept" / folder.name, symlinks=True)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def clone(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Restore home and clone as they were made, and return the working folder of a page."""
    for name in ("home", "clone"):
        shutil.rmtree(kept / name)
        shutil.copytree(kept / "kept" / name, kept / name, symlinks=True)
    monkeypatch.setenv("HOME", str(kept / "home"))
    monkeypatch.chdir(kept / "clone")
    return kept / "clone"


def succeed(*words: object) -> None:
    """Run a command in this process, and assert that it succeeds."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as ended:  # argparse's way
        status = ended.code
    assert status == 0, f"finetune {' '.join(map(str, words))} ended with {status}"


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the commands of a page that are to be run, as the shell would pass them on."""
    for words in shown(path):
        line = " ".join(words)
        if any(mark in line for mark in FORMS) or any(told in line for told in ELSEWHERE):
            continue
        yield [os.path.expanduser(PLACES.get(word, word)) for word in words]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_succeeds_and_prints_what_is_shown(path, clone, capsys):
    first, pairs, second = outputs.recipe_blocks()
    (clone / "mine.yaml").write_text(first)
    checked = ["check", "mine.yaml"]
    capsys.readouterr()
    for words in commands(path):
        gallery = NEEDS_GALLERY.intersection(words)
        if gallery and not Path(*gallery).exists() and "--checkpoint" not in words:
            succeed("enroll", *gallery, "photos", "--align", "--checkpoint", f"~/{world.CHECKPOINT}")
            succeed("enroll", *gallery, "strangers", "--align", "--strangers")
        if words[0] in ("plan", "run") and "--resume" not in words:
            words = _anew(words)
        succeed(*words)
        if words == checked:  # from here on the page adds to its recipe
            (clone / "mine.yaml").write_text(first + second.replace("stages:\n  - …\n", "") + pairs)
    printed = capsys.readouterr().out
    lines = [] if path.name in OUTPUTS_ELSEWHERE else [line for block in outputs.blocks(path) for line in block]
    assert outputs.unlike([line for line in lines if not line.startswith("finetune check: ")], printed) == []


PYTHON_PAGES = [ROOT / "README.md", ROOT / "docs/how-to/python.md", ROOT / "docs/explanation/frozen.md"]


@pytest.mark.parametrize("path", PYTHON_PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_python_of_a_page_runs(path, clone, kept):
    face = min((kept / "home/faces_160").rglob("*.png"))
    for name in ("new.png", "ann/1.png", "ann/2.png", "party/face.png"):
        (clone / name).parent.mkdir(exist_ok=True)
        shutil.copy(face, clone / name)
    namespace: dict[str, object] = {}
    for block in outputs.code(path, "python"):
        if "vggface2" in block:  # a run of 280 epochs; the command is run above, shortened
            continue
        if "FineTuner(" in block and "resume=True" not in block:
            shutil.rmtree("runs/mine")
        if "runs/mine/" in block:
            shutil.copytree(kept / "kept/clone/runs/mine", "runs/mine", dirs_exist_ok=True)
        if "friends.h5" in block:  # a threshold for a false accept rate takes others than the enrolled people
            succeed(
                "enroll", "friends.h5", "strangers", "--align", "--strangers", "--checkpoint", "runs/mine/3-last-repeat"
            )
        exec(compile(block, path.name, "exec"), namespace)


def _anew(words: list[str]) -> list[str]:
    """Delete the run's output, because pages show several ways to one folder. Return the words of a short run."""
    from finetune.recipe import Recipe

    settings = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    recipe = Recipe.load(words[1], settings)
    shutil.rmtree(recipe.output, ignore_errors=True)
    whole = [number for number, stage in enumerate(recipe.stages) if stage.train_from == "Conv2d_1a_3x3"]
    sooner = [f"stages.{number}.train_from=Block8" for number in whole]
    gated = [number for number, stage in enumerate(recipe.stages) if stage.accept]
    passed = [f"stages.{number}.accept.max_drop=1" for number in gated]
    given = [number for number, stage in enumerate(recipe.stages) if f"stages.{stage.name}.epochs" in settings]
    short = world.shortened(set(range(len(recipe.stages))) - set(given))
    return [*words, *short, *sooner, *passed] if words[0] == "run" else words
