"""People of the pairs who are trained on are reported wherever LFW is measured, with the figures without them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.demo import OLD
from finetune.report import tables
from finetune.runs.planning import plan
from finetune.runs.tuner import FineTuner

pytestmark = pytest.mark.tf


@pytest.fixture
def overlapping(make, faces, drawn_checkpoint, tmp_path):
    """Return a function that trains on one person of the pairs, from a checkpoint that was trained on another."""

    def overlapping(**changes):
        if not (tmp_path / "people").exists():
            for group, person in (("learn", "person_001"), ("learn", "person_002"), ("strangers", "person_013")):
                (tmp_path / "people" / person).mkdir(parents=True)
                for path in (faces / group / person).iterdir():
                    (tmp_path / "people" / person / path.name).symlink_to(path)
            (tmp_path / "model").mkdir()
            for path in drawn_checkpoint.iterdir():
                (tmp_path / "model" / path.name).symlink_to(path)
            names = ["Person 012", *(f"old_{i}" for i in range(1, len(OLD)))]
            (tmp_path / "model" / "class_names.txt").write_text("".join(f"{name}\n" for name in names))
        return make(**{"checkpoint": tmp_path / "model", "data": {"train": tmp_path / "people"}, **changes})

    return overlapping


@pytest.mark.slow
def test_people_of_the_pairs_who_are_trained_on_stand_in_every_result(overlapping, capsys):
    tuner = overlapping()
    shared = {"person_013", "person_012"}
    pairs = tuner.inputs.image_pairs
    named = [{pairs.identities[i], pairs.identities[j]} for i, j in zip(pairs.index1, pairs.index2, strict=True)]
    n_shared = sum(bool(shared & people) for people in named)
    assert f"; 2 of 6 identities are trained on, in {n_shared} pairs" in "\n".join(plan(tuner.inputs))

    result = tuner.run(Stage("block", "Block8", 1, learning_rate=0.05))
    for lfw, name in ((tuner.baseline, "0-baseline"), (result.measured, "1-block"), (tuner.lfw(), "1-block")):
        assert set(lfw.overlap.identities) == shared
        assert (lfw.overlap.n_identities, lfw.overlap.n_pairs) == (6, n_shared)
        assert lfw.without_overlap.n_pairs == 40 - n_shared
        stored = json.loads((tuner.folder.path / name / "lfw.json").read_text())
        assert type(lfw).from_json(stored) == lfw
    out = capsys.readouterr().out
    left_out = f"without the 2 of 6 identities trained on ({n_shared} of 40 pairs left out)"
    for lfw in (tuner.baseline, result.measured):
        without = lfw.without_overlap
        assert f"{left_out}: LFW accuracy {without.accuracy:.4f}±{without.accuracy_std:.4f}, " in out
    accuracies = [f"{lfw.without_overlap.accuracy:.4f}" for lfw in (tuner.baseline, result.measured)]
    caption = tables.stages(tuner.baseline, tuner.results).caption
    assert caption.endswith(f"{left_out}, LFW accuracy: baseline {accuracies[0]}, block {accuracies[1]}")


@pytest.mark.slow
def test_a_resumed_run_reads_the_overlap_again_and_results_without_one(overlapping, tmp_path):
    tuner = overlapping()
    tuner.run(Stage("head", "Logits", 1))
    caption = tables.stages(tuner.baseline, tuner.results).caption

    def resumed():
        again = FineTuner.from_inputs(dataclasses.replace(tuner.inputs, recipe=tuner.recipe))
        again.resume()
        return again

    again = resumed()
    assert (again.baseline, again.results[0].measured) == (tuner.baseline, tuner.results[0].measured)
    assert tables.stages(again.baseline, again.results).caption == caption
    path = tmp_path / "run/0-baseline/lfw.json"
    path.with_name("files.sha256").unlink()  # an earlier finetune's
    older = {key: value for key, value in json.loads(path.read_text()).items() if "overlap" not in key}
    path.write_text(json.dumps(older))
    again = resumed()
    assert again.baseline.overlap is None
    assert again.results[0].difference_without_overlap is None
    accuracy = tuner.results[0].measured.without_overlap.accuracy
    assert tables.stages(again.baseline, again.results).caption.endswith(f"LFW accuracy: head {accuracy:.4f}")


@pytest.mark.slow
def test_pairs_among_the_trained_people_alone_have_no_figures_without_them(make, faces, capsys):
    tuner = make(data={"train": faces / "strangers"})
    tuner.run(Stage("head", "Logits", 1))
    said = "no figures without the 6 of 6 identities trained on (40 of 40 pairs left out)"
    assert capsys.readouterr().out.count(f"{said}: too few are left") == 2
    assert tables.stages(tuner.baseline, tuner.results).caption.endswith(f"{said}: too few are left")
    assert tuner.baseline.notes[-1].startswith(said)


@pytest.mark.slow
def test_pairs_of_strangers_are_told_as_before(make, capsys):
    tuner = make()
    tuner.run(Stage("head", "Logits", 1))
    assert tuner.baseline.overlap.identities == ()
    caption = tables.stages(tuner.baseline, tuner.results).caption
    said = "\n".join([capsys.readouterr().out, *plan(tuner.inputs), caption])
    assert "trained on" not in said
    assert "without the" not in said


def test_the_gate_judges_by_all_pairs(overlapping, monkeypatch):
    tuner = overlapping()
    tuner.begin()
    worse = tuner.baseline.without_overlap.to_json() | {"accuracy": 0.0}
    changed = type(tuner.baseline).from_json(tuner.baseline.to_json() | {"without_overlap": worse})
    monkeypatch.setattr(tuner.context.evaluation, "lfw", lambda embedder=None: changed)
    assert tuner.run(Stage("head", "Logits", 1, accept={"metric": "lfw_accuracy", "max_drop": 0.0})).accepted
