"""The plan: its refusals, its notes on the data, and its estimate of the run's cost."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from finetune.errors import DataError, UserError
from finetune.images.drawn_people import write_faces
from finetune.images.preprocessing import Preprocessing
from finetune.recipe.recipe import Recipe
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.images import standardization_remarks
from finetune.runs.cost import costs
from finetune.runs.opening import refuse_output_within, refuse_unwritable
from finetune.runs.planning import plan

pytestmark = pytest.mark.tf


def planned(tuner, *stages):
    return plan(dataclasses.replace(tuner.inputs, recipe=tuner.recipe.model_copy(update={"stages": stages})))


def test_stages_that_could_take_no_step_are_refused_by_the_plan_and_before_anything_is_written(make, tmp_path):
    tuner = make(data={"train": make.faces, "validation_split": 0.9})  # 6 images each: 5 held back, 1 trained on
    first = Stage("first", "Block8", 1, loss="triplet")
    grouped = Stage("second", "Block8", 1, sampling={"people": 5, "images": 2})
    with pytest.raises(DataError) as caught:
        planned(tuner, first, grouped)
    assert [line.split(":")[0] for line in map(str, caught.value.problems)] == ["stage 'first'", "stage 'second'"]
    with pytest.raises(DataError, match="nobody has two training images"):
        tuner.run(first)
    assert not (tmp_path / "run").exists()
    assert tuner.recipe.stages == ()


def test_an_output_within_a_folder_that_is_read_is_refused_unless_a_run_lies_there(tmp_path):
    values = {"checkpoint": "m", "data": {"train": tmp_path, "strangers": tmp_path / "b"}, "output": tmp_path / "b/run"}
    recipe = Recipe.from_values(values)
    with pytest.raises(DataError) as caught:
        refuse_output_within(recipe)
    assert [line.split(", which")[0] for line in map(str, caught.value.problems)] == [
        f"{tmp_path / 'b/run'}: lies in {tmp_path}",
        f"{tmp_path / 'b/run'}: lies in {tmp_path / 'b'}",
    ]
    (tmp_path / "b/run").mkdir(parents=True)
    (tmp_path / "b/run/recipe.yaml").touch()
    refuse_output_within(recipe)


@pytest.mark.slow
def test_unaligned_pairs_and_strangers_are_said_by_the_plan_and_kept_with_the_result(make, faces, tmp_path):
    for path in sorted((faces / "strangers").rglob("*.png")):
        target = tmp_path / "lfw" / path.relative_to(faces / "strangers")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((250, 250)).save(target)
    write_faces(tmp_path / "others", people=range(31, 39), images_per_person=3, size=250, seed=1)
    lfw = {"dir": tmp_path / "lfw", "pairs": faces / "pairs.txt"}
    tuner = make(lfw=lfw, data={"train": make.faces, "strangers": tmp_path / "others"})
    said = [line for line in planned(tuner) if "the network needs faces aligned to 75 pixels" in line]
    which = [re.search(r"warning: .*/(lfw|others)(?:/.*)?: 250 x 250 pixels", line)[1] for line in said]
    assert which == ["others", "lfw"]
    assert "and so of 23 more of 24 images" in said[1]
    (note,) = tuner.inputs.summary()["lfw"]["unaligned"]
    assert note in said[1]
    assert note in tuner.lfw().notes


@pytest.mark.slow
def test_too_few_strangers_are_said_with_the_share_that_holds_out_enough(make, tmp_path):
    write_faces(tmp_path / "people", people=range(1, 13), images_per_person=6, size=80, seed=1)

    def inputs(share):
        data = {"train": tmp_path / "people", "strangers": share}
        return make(lfw=None, data=data, output=tmp_path / f"run {share}", seed=4).inputs

    def of(share):
        return len(inputs(share).strangers.class_names)

    with pytest.raises(UserError, match=r"strangers: 0\.1: found 1 person, 1 with two images or more") as caught:
        inputs(0.1)
    enough = float(re.search(r"; ([0-9.]+) holds out 4 of 12 people, enough", str(caught.value.problems[0]))[1])
    assert of(enough) == 4
    few = [line for line in plan(inputs(enough - 0.01)) if "too few strangers for folds that share nobody" in line]
    assert of(enough - 0.01) < 4
    assert f"{enough:g} holds out 4 of 12 people, enough to measure by" in few[0]
    assert not [line for line in plan(inputs(enough)) if "too few strangers" in line]


@pytest.mark.slow
def test_a_sample_of_the_pairs_is_measured_and_said_in_place_of_lfw(make, faces, tmp_path, capsys):
    lfw = {"dir": faces / "strangers", "pairs": faces / "pairs.txt", "sample": 0.3}
    tuner = make(lfw=lfw, history={"stat_h5": True})
    result = tuner.run(Stage("head", "Logits", 1))
    assert (result.measured.n_pairs, result.measured.sample_of) == (12, 40)
    out = capsys.readouterr().out
    assert re.search(r"baseline: accuracy on a sample of 12 of 40 pairs [01]\.", out)
    assert "LFW accuracy" not in out
    assert any("warning: a sample of 12 of 40 pairs" in line for line in planned(tuner))
    whole = make(output=tmp_path / "whole")
    assert "sample" not in whole.recipe.lfw.to_value()
    assert whole.inputs.report == tuner.inputs.report  # the doctor compares with all pairs
    assert set(tuner.inputs.image_pairs.paths) <= set(whole.inputs.image_pairs.paths)


@pytest.mark.slow
def test_the_time_table_counts_what_passes_the_network_and_what_is_kept(make, passes, monkeypatch, tmp_path):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    tuner = make()
    stages = Stage("head", "Logits", 2), Stage("block", "Block8", 2)
    inputs = dataclasses.replace(tuner.inputs, recipe=tuner.recipe.model_copy(update={"stages": stages}))
    n_lfw = 2 * len(tuner.inputs.image_pairs.paths)  # with their mirror images
    n_held_back, n_data = len(inputs.validation), len(inputs.train) + len(inputs.validation)
    n_stage = n_lfw + n_held_back
    before = costs(inputs, 1.0)
    assert [cost.embedded for cost in before] == [n_lfw + n_data, n_stage, n_stage]
    # The last block's own features of held-back images are there from its training on.
    assert [cost.kept for cost in before] == [0, n_stage, n_held_back]
    assert before[0].measuring == pytest.approx(n_lfw + n_data)
    passes.clear()
    tuner.begin()
    assert sum(passes) == n_lfw + n_data
    # The head trains on what the frozen units gave then, and measures by it.
    tuner.run(stages[0])
    assert sum(passes) == n_lfw + n_data
    tuner.run(stages[1])
    assert sum(passes) == 2 * (n_lfw + n_data)
    # The plan of another run of the same recipe, from the same checkpoint.
    again = dataclasses.replace(make(output=tmp_path / "again").inputs, recipe=inputs.recipe)
    after = costs(again, 1.0)
    assert all(cost.kept == cost.embedded for cost in after)
    assert all(cost.seconds >= 0 for cost in after)
    assert after[0].measuring < before[0].measuring
    assert after[2].training < before[2].training


@pytest.mark.slow
def test_the_plan_ends_with_the_time_of_each_part_and_of_all(make):
    tuner = make()
    lines = planned(tuner, Stage("head", "Logits", 2), Stage("triplets", "Block8", 2, loss="triplet"))
    start = next(n for n, line in enumerate(lines) if line.startswith("time "))
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in rows] == ["baseline", "head", "triplets", "in"]
    inputs = tuner.inputs
    n_data = len(inputs.train) + 3 * len(inputs.validation)
    assert rows[-1][-2] == str(3 * 2 * len(inputs.image_pairs.paths) + n_data)
    assert "-" not in "".join("".join(row) for row in rows)
    assert "ms per image and pass, as measured here" in lines[start + 5]
    assert max(map(len, lines[start : start + 5])) <= 80


def test_an_estimate_is_never_below_zero(make):
    # No image is an anchor, so that an epoch draws fewer images than are kept.
    for cache in ("auto", "off", "memory"):
        tuner = make(data={"train": make.faces}, cache=cache, lfw=None)
        triplets = Stage("t", "Block8", 3, loss="triplet")
        inputs = dataclasses.replace(tuner.inputs, recipe=tuner.recipe.model_copy(update={"stages": (triplets,)}))
        labels = inputs.train.labels
        alone = dataclasses.replace(inputs.train, labels=np.arange(len(labels)))
        inputs = dataclasses.replace(inputs, train=alone)
        for cost in costs(inputs, 1.0):
            assert min(cost.training, cost.measuring, cost.rest) >= 0


def test_each_teacher_of_distillation_has_its_cost(make):
    inputs = make(data={"train": make.faces}, lfw=None, cache="off").inputs  # 24 images

    def cost(distillation):
        stage = Stage("block", "Block8", 2, distillation=distillation)
        changed = dataclasses.replace(inputs, recipe=inputs.recipe.model_copy(update={"stages": (stage,)}))
        return costs(changed, 1.0)[1]

    plain, clean, same, view = map(cost, (0, 20, *({"factor": 20, "of": of} for of in ("same", "view"))))
    assert (clean.training, clean.rest) == (plain.training, plain.rest + 24)
    trained = (plain.training / 48 - 1) / 2  # share of the units that train, which each image passes three times
    assert 0 < trained < 1
    assert (same.training, same.rest) == (pytest.approx(plain.training + 48 * trained), plain.rest)
    assert (view.training, view.rest) == (plain.training + 48, plain.rest)


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_an_epoch_of_a_part_of_the_images_costs_its_part(make, cache, tmp_path):
    whole, halved, stepped = (
        make(data={"train": make.faces, "share": share}, lfw=None, cache=cache, output=tmp_path / str(share)).inputs
        for share in (None, 0.5, 0.75)
    )  # 24 images in batches of 8

    def cost(inputs, stage):
        inputs = dataclasses.replace(inputs, recipe=inputs.recipe.model_copy(update={"stages": (stage,)}))
        return costs(inputs, 1.0)[1].training

    all_of_it = cost(whole, Stage("block", "Block8", 2))
    assert cost(stepped, Stage("block", "Block8", 2, steps_per_epoch=3)) == all_of_it
    if cache == "off":
        assert cost(halved, Stage("block", "Block8", 2)) == pytest.approx(all_of_it / 2)
        assert cost(whole, Stage("block", "Block8", 2, steps_per_epoch=1)) == pytest.approx(all_of_it / 3)
    else:  # 24 images pass the frozen units once; the others take three passes in each of two epochs
        frozen = (144 - all_of_it) / (144 - 24)
        assert cost(halved, Stage("block", "Block8", 1)) == pytest.approx(12 * frozen + 36 * (1 - frozen))
    lines = planned(SimpleNamespace(inputs=halved, recipe=halved.recipe), Stage("block", "Block8", 2))
    assert any("2 epochs of 2 steps of 8 images" in line for line in lines)
    assert any("each epoch draws 12 images of 24, in turn" in line for line in lines)
    lines = planned(SimpleNamespace(inputs=whole, recipe=whole.recipe), Stage("block", "Block8", 2))
    assert not any("each epoch draws" in line for line in lines)


@pytest.mark.slow
def test_the_plan_says_what_trains_what_is_frozen_and_by_which_loss(make):
    tuner = make(data={"train": make.faces}, lfw=None, batch_size=23)  # of 24 images one is left to the last batch
    lines = planned(
        tuner,
        Stage("head", "Logits", 1, init="prototypes"),
        Stage("moving", "Block8", 1, batch_norm="train"),
        Stage("pulled", "Block8", 1, loss="triplet", mining={"negatives": "hard"}, sampling={"people": 4, "images": 3}),
    )
    said = {
        name: lines[n : n + 4]
        for name in ("head", "moving", "pulled")
        for n, line in enumerate(lines)
        if f"'{name}'" in line
    }
    variables = tuner.model.variables
    of_block = sum(name.startswith(("InceptionResnetV1/Block8", "InceptionResnetV1/Bottleneck")) for name in variables)
    assert f"in 2 variables; {len(variables) - 2} variables frozen" in said["head"][0]
    assert re.search(r"in (\d+) variables; (\d+) variables frozen", said["moving"][0])
    for name in ("moving", "pulled"):
        trained, frozen = map(int, re.search(r"in (\d+) variables; (\d+) variables frozen", said[name][0]).groups())
        assert trained + frozen == len(variables)
        assert trained > of_block / 2
    assert "softmax loss, from the class means" in said["head"][1]
    assert "softmax loss," in said["moving"][1]
    assert "triplet loss, hard negatives" in said["pulled"][1]
    warned = [n for n, line in enumerate(lines) if "leaves a replica one image" in line]
    moving = next(n for n, line in enumerate(lines) if "'moving'" in line)
    assert len(warned) == 1
    assert moving < warned[0] <= moving + 3


@pytest.mark.slow
@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_machine_without_units_for_bfloat16_is_said_to_be_slower_where_it_is_asked_for(
    make, monkeypatch, units, precision
):
    from finetune.runtime import devices

    monkeypatch.setattr(devices, "bfloat16_units", lambda: units)
    lines = planned(make(precision=precision, lfw=None), Stage("head", "Logits", 1))
    assert any("no units for it" in line for line in lines) == (precision == "bfloat16" and not units)


def remarks(fixed, per_image, *, assumed=False):
    fit = {"fixed": fixed, "per_image": per_image}
    preprocessing = Preprocessing(160, "fixed", "", assumed=assumed)
    return standardization_remarks(preprocessing, fit)


@pytest.mark.parametrize("assumed", [True, False])
@pytest.mark.parametrize(("fixed", "per_image"), [(0.9, 0.1), (0.9, 0.44)])
def test_another_standardization_is_spoken_of_where_it_fits_more_than_twice_as_well(fixed, per_image, assumed):
    (line,) = remarks(fixed, per_image, assumed=assumed)
    assert f"fit 'per_image' better than 'fixed' ({per_image:.3f} against {fixed:.3f})" in line
    assert line.endswith("set preprocessing.standardization=per_image")


@pytest.mark.parametrize(
    ("fixed", "per_image", "said"),
    [
        (0.1, 0.9, "the first layer's statistics on this data fit 'fixed' (distance 0.100; 'per_image' 0.900)"),
        (0.9, 0.5, "warning: the first layer's statistics on this data do not tell which standardization fits "),
        (0.1, 0.1, "warning: the first layer's statistics on this data do not tell which standardization fits "),
    ],
)
def test_whether_a_standardization_fits_is_said_only_where_it_is_assumed(fixed, per_image, said):
    assert remarks(fixed, per_image) == []
    (line,) = remarks(fixed, per_image, assumed=True)
    assert line.startswith(said)


def test_what_is_left_out_anyway_is_no_suspect_of_the_doctor_s(make, tmp_path):
    shutil.copytree(make.faces, tmp_path / "people")
    (tmp_path / "people/person_001/broken.png").write_bytes(b"no image")
    lines = planned(make(data={"train": tmp_path / "people"}, lfw=None), Stage("head", "Logits", 1))
    start = next(n for n, line in enumerate(lines) if line.startswith("doctor "))
    assert any("left out: " in line and "broken.png" in line for line in lines)
    assert not any("broken.png" in line or "not-image" in line for line in lines[start : start + 4])


def test_an_output_that_may_not_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(UserError, match=f"runs/first: {tmp_path} may not be written to; choose another output"):
        refuse_unwritable(tmp_path / "runs/first")
    (tmp_path / "runs").mkdir()
    refuse_unwritable(tmp_path / "runs/first")
