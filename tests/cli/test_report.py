"""Output places of the command `report`, and the lines that say why it fails."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.test_bad_options import bad

pytestmark = [pytest.mark.tf, pytest.mark.slow]

NO_RUN = "give the folder that a run wrote"
WRONG = [
    bad("no run", "report", "the following arguments are required: RUN; see finetune report --help"),
    bad("a strange word", "report run --faces", "unrecognized arguments: --faces (did you mean ..."),
    bad("no such folder", "report nowhere", f"nowhere: no such folder; {NO_RUN}"),
    bad("an empty folder", "report bad/empty", f"bad/empty: holds no run: there is no recipe.yaml in it; {NO_RUN}"),
    bad(
        "all that is wrong at once",
        "report nowhere run recipe.yaml --out all.html",
        f"nowhere: no such folder; {NO_RUN}",
        f"recipe.yaml: no such folder; {NO_RUN}",
    ),
    bad("a recipe's name", "report run --out recipe.yaml", "recipe.yaml: give a file name that ends in .html or .htm"),
    bad("a folder's", "report run --out run", "run: a folder; give the name of a file to write"),
    bad("a folder that is not there", "report run --out a/b.html", "a: no such folder; make it first"),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(faces, drawn_checkpoint, tmp_path_factory):
    """Make a run and return its folder."""
    from finetune.recipe.recipe import Recipe
    from finetune.runs.runner import run

    output = tmp_path_factory.mktemp("runs") / "run"
    stage = {"name": "head", "train_from": "Logits", "epochs": 1}
    values = {"checkpoint": drawn_checkpoint, "output": output, "data": {"train": faces / "learn"}, "stages": [stage]}
    run(Recipe.from_values(values))
    return output


@pytest.fixture(autouse=True)
def here(work, finished):
    """Copy the run's folder into the working folder."""
    shutil.copytree(finished, work / "run")


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_what_is_wrong_is_said(refused, command, lines):
    refused(command, *lines)


def test_one_runs_report_and_card_lie_in_its_folder_and_several_runs_report_here(work, finetune):
    for name in ("report.html", "MODEL_CARD.md"):
        (work / "run" / name).unlink()
    assert finetune("report", "run/") == (0, ["report: run/report.html"], [])
    assert (work / "run/report.html").is_file()
    assert (work / "run/MODEL_CARD.md").read_text().startswith("# Model card: run\n")
    shutil.copytree(work / "run", work / "again")
    assert finetune("report", "run", "again") == (0, ["report: report.html"], [])
    assert "Side by side" in (work / "report.html").read_text(encoding="utf-8")
    before = (work / "run/report.html").read_bytes()
    assert finetune("report", "run", "--no-faces", "--out", "mine.html") == (0, ["report: mine.html"], [])
    assert (work / "mine.html").is_file()
    assert (work / "run/report.html").read_bytes() == before
