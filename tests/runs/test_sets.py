"""A run measures several sets of pairs in one pass, before the first stage and after each."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest

from finetune.errors import Interrupted, Problem, UserError
from finetune.recipe import Stage
from finetune.verification import OF_LFW, measure_lfw

pytest.importorskip("tensorflow")
from finetune.record.histories import Histories
from finetune.report.record import Record
from finetune.runs import runner
from finetune.runs.begun import refuse_other_inputs
from finetune.runs.cost import costs
from finetune.runs.opening import Inputs
from finetune.runs.planning import plan
from tests.runs.of_numbers import STAGES, outputs, standing_in, unlike

pytestmark = pytest.mark.tf
FIGURES = ("accuracy", "low", "high", "val")


def sets(faces, *, flip=True):
    """Return two further sets: one of LFW's own pairs, and one of other pairs of people who are partly the same."""
    return [
        {"name": "again", "images": faces / "strangers", "pairs": faces / "pairs.txt", "distance": "cosine"}
        | {"subtract_mean": True, "flip": flip},
        {"name": "learn_1", "images": faces / "learn", "pairs": faces / "learn.txt", "protocol": "fixed_far"}
        | {"far": 0.2, "distance": "cosine"},
    ]


@pytest.fixture
def more(faces, tmp_path):
    """Return a folder with the faces, and with pairs among the people who are trained on in `learn.txt`."""
    from finetune.verification.pair_drawing import write_pairs

    folder = tmp_path / "more"
    folder.mkdir()
    for name in ("learn", "strangers", "pairs.txt"):
        (folder / name).symlink_to(faces / name)
    write_pairs(folder / "learn.txt", folder / "learn", folds=2, pairs_per_fold=6, seed=2)
    return folder


@pytest.fixture
def quick(more, tmp_path, monkeypatch):
    """Return a function that runs, or resumes, a run of a few numbers with two further sets."""

    def quick(folder="one", resume=False, **changes):
        (tmp_path / folder).mkdir(exist_ok=True)
        inputs = standing_in(more, tmp_path / folder, monkeypatch, **({"measure": sets(more)} | changes))
        monkeypatch.setattr(Inputs, "open", lambda *_, **__: inputs)
        return runner.run(inputs.recipe, resume=resume), inputs

    return quick


def test_every_set_has_its_figures_in_every_file(quick, capsys):
    results, inputs = quick()
    output = inputs.recipe.output
    for folder in ("0-baseline", "1-head", "2-too-much", "3-last"):
        assert {path.name for path in (output / folder).glob("measured-*")} == {
            "measured-again.json",
            "measured-learn_1.json",
        }
    assert (output / "2-too-much" / "rejected_measured-again.json").exists()
    head = results[0]
    assert list(head.differences) == ["lfw", "again", "learn_1"]
    stored = json.loads((output / "1-head" / "result.json").read_text())
    assert list(stored["set_differences"]) == ["again", "learn_1"]
    assert stored["set_differences"]["again"]["accuracy"] == head.differences["again"].accuracy
    summary = json.loads((output / "result.json").read_text())
    assert summary["baseline_again.accuracy"] == head.start.sets["again"].accuracy

    rows = list(csv.DictReader((output / "history.csv").read_text().splitlines()))
    columns = [f"{name}.{figure}" for name in ("again", "learn_1") for figure in FIGURES]
    assert list(rows[0])[-8:] == columns
    measured = [row for row in rows if row["again.accuracy"]]
    assert [(row["stage"], row["epoch"]) for row in measured] == [("last", "2")]
    assert float(measured[0]["again.accuracy"]) == results[-1].trained.sets["again"].accuracy
    tags = {tag for file in outputs(output)["tensorboard/events"] for tag, _, _ in file}
    assert set(columns) < tags

    lines = capsys.readouterr().out.splitlines()
    first = head.start.sets["learn_1"]
    assert any(line.startswith(f"baseline: learn_1 accuracy {first.accuracy:.4f}") for line in lines)
    assert any(line.split()[:2] == ["again", "baseline"] for line in lines)
    part = [line for line in (output / "images.sha256").read_text().splitlines() if "  measure.learn_1/" in line]
    assert len(part) == len({path for one in inputs.sets[2:] for path in one.pairs.paths})


def test_a_resumed_run_ends_with_the_same_bytes(quick, tmp_path, monkeypatch):
    _, whole = quick("whole")
    epoch = Histories.epoch

    def stopping(self, state):
        epoch(self, state)
        if state.rows[-1].stage == "last":
            monkeypatch.setattr(Histories, "epoch", epoch)
            raise Interrupted(Problem("", "stopped"), 15)

    monkeypatch.setattr(Histories, "epoch", stopping)
    with pytest.raises(Interrupted):
        quick("other")
    _, inputs = quick("other", resume=True)
    found, expected = outputs(inputs.recipe.output), outputs(whole.recipe.output)
    differing = {name for name in unlike(found, expected) if not name.startswith("tensorboard")}
    # These name the folder of the run.
    named = {"recipe.yaml", "report.html", "MODEL_CARD.md", "files.sha256", "inputs.json", "result.json"}
    assert {name.rpartition("/")[2] for name in differing} <= named
    record = Record.read(inputs.recipe.output)
    assert list(record.start.sets) == ["lfw", "again", "learn_1"]
    assert record.results[-1].trained.sets == Record.read(whole.recipe.output).results[-1].trained.sets


def test_a_gate_by_the_figure_of_a_set_rolls_back(quick, more):
    head, block, last = STAGES
    for accept, said in (
        ({"metric": "again.accuracy", "max_drop": 0}, "again.accuracy fell by "),
        ({"worst": "accuracy", "max_drop": 0}, "worst of 2 sets: "),
    ):
        folder = next(iter(accept))
        stages = [head, block | {"accept": accept}, last]
        results, _ = quick(folder, lfw=None, verification=None, stages=stages)
        assert [result.accepted for result in results] == [True, False, True]
        assert results[1].reason.startswith(said)
        assert results[1].standing.sets == results[0].trained.sets
        assert results[0].before is None


def test_a_run_of_sets_alone_has_a_report_and_a_verdict(quick):
    results, inputs = quick(lfw=None, stages=STAGES[:1])
    text = (inputs.recipe.output / "report.html").read_text()
    card = (inputs.recipe.output / "MODEL_CARD.md").read_text()
    figure = f"{results[0].trained.sets['again'].accuracy:.4f}"
    for page in (text, card):
        assert "again" in page
        assert "learn_1" in page.replace("\\", "")
        assert figure in page
        assert "No LFW pairs were given" not in page


def test_a_report_shows_every_set_with_its_paired_difference(quick):
    results, inputs = quick()
    text = (inputs.recipe.output / "report.html").read_text()
    card = (inputs.recipe.output / "MODEL_CARD.md").read_text()
    last = results[-1].trained.sets["again"]
    for page in (text, card):
        assert f"{last.accuracy:.4f}" in page
        assert "fixed_far" in page.replace("\\", "")


def test_another_pairs_file_is_not_resumed(quick, more, tmp_path, monkeypatch):
    _, inputs = quick()
    stored = json.loads((inputs.recipe.output / "inputs.json").read_text())
    assert set(stored["measure"]) == {"again", "learn_1"}
    refuse_other_inputs(inputs, inputs.recipe.output, stored)
    stored["measure"]["learn_1"]["sha256"] = "0"
    with pytest.raises(UserError, match=r"learn\.txt: other pairs than when the run in"):
        refuse_other_inputs(inputs, inputs.recipe.output, stored)


@pytest.mark.slow
def test_the_figures_are_those_of_each_set_measured_alone_and_each_image_is_embedded_once(make, more, monkeypatch):
    tuner = make(measure=sets(more), data={"train": more / "learn", "validation_split": 0.2})
    inputs, embed = tuner.inputs, tuner.model.embed
    seen: Counter = Counter()

    def counting(paths, /, *, flip):
        seen.update(paths)
        return embed(paths, flip=flip)

    monkeypatch.setattr(tuner.model, "embed", counting)
    found = tuner.context.evaluation.sets()
    # LFW's images and those of `again` are the same files under two paths.
    digests = [inputs.records[path].digest for path in seen.elements()]
    assert len(digests) == len(set(digests))
    assert set(digests) == {inputs.records[path].digest for one in inputs.sets for path in one.pairs.paths}
    assert len(digests) < len({path for one in inputs.sets for path in one.pairs.paths})
    kept = tuner.context.evaluation.sets(tuner.context.evaluation.embedder())
    for one in inputs.sets:
        alone = measure_lfw(embed, one.pairs, one.section, inputs.trained_names, one.protocol)
        for result in (found[one.name], kept[one.name]):
            assert (result.accuracy, result.val, result.auc) == (alone.accuracy, alone.val, alone.auc)
            np.testing.assert_allclose(result.distances, alone.distances, rtol=0, atol=1e-5)
    assert found[OF_LFW].overlap == kept[OF_LFW].overlap


@pytest.mark.slow
def test_the_plan_tells_of_every_set_and_counts_distinct_images(make, more):
    tuner = make(measure=sets(more), data={"train": more / "learn", "validation_split": 0.2})
    tuner.recipe = tuner.recipe.model_copy(update={"stages": (Stage("head", "Logits", 1),)})
    text = "\n".join(plan(tuner.inputs))
    assert "\nagain " in text
    assert "\nlearn_1 " in text
    assert ", fixed_far, measured before the first stage and after each" in text
    distinct = {path for one in tuner.inputs.sets for path in one.pairs.paths}
    mirrored = {path for one in tuner.inputs.sets if one.section.flip for path in one.pairs.paths}
    named = sum(len(one.pairs.paths) for one in tuner.inputs.sets)
    assert f"pairs          {len(distinct)} distinct images of {named} in these sets, each embedded once" in text
    alone = make(output=more / "never", data={"train": more / "learn", "validation_split": 0.2})
    n_lfw = 2 * len(alone.inputs.image_pairs.paths)
    difference = costs(tuner.inputs, 1.0)[0].embedded - costs(alone.inputs, 1.0)[0].embedded
    assert difference == len(distinct) + len(mirrored) - n_lfw


def test_the_problems_of_every_set_are_told_at_once(make, more, tmp_path):
    bad = [dict(one, images=tmp_path / "none") for one in sets(more)]
    bad.append({"name": "few", "images": more / "strangers", "pairs": more / "pairs.txt", "protocol": "fixed_far"})
    with pytest.raises(UserError) as caught:
        make(measure=bad, data={"train": more / "learn"})
    found = list(map(str, caught.value.problems))
    assert [line.partition(": ")[0] for line in found] == ["measure.again", "measure.learn_1", "measure.few"]
    assert found[2].endswith(
        "20 pairs of two people can't tell a false accept rate of 0.001; give a rate of at least 1 in 20, or more pairs"
    )
