"""Training without labels: a folder of faces of which nobody says whose they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune import FineTuner, Model, Recipe, Stage
from finetune.errors import RecipeError, UserError
from finetune.runs import plan

pytestmark = pytest.mark.tf

CAMERA = {"grey": True, "resolution": [20, 20]}
STAGE = Stage(
    "student", "Bottleneck", epochs=3, learning_rate=0.003, loss="none", distillation={"factor": 10, "of": "clean"}
)


@pytest.fixture(scope="module")
def unlabelled(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the faces of all people in learn/, half of them in a folder of their own."""
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "more").mkdir()
    for number, path in enumerate(sorted((faces / "learn").rglob("*.png"))):
        shutil.copy(path, folder / ("more" if number % 2 else "") / f"{number:03d}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def settings(faces, folder, **more):
    return {
        "data": {"train": str(folder), "labels": "none", "strangers": str(faces / "strangers")},
        "augment": {"camera": CAMERA},
        "batch_size": 8,
        "verbose": False,
        **more,
    }


@pytest.fixture(scope="module")
def trained(drawn_checkpoint, faces, unlabelled, tmp_path_factory):
    tuner = FineTuner(drawn_checkpoint, output=tmp_path_factory.mktemp("out") / "run", **settings(faces, unlabelled))
    lines = "\n".join(plan(tuner.inputs))
    tuner.run(STAGE)
    return tuner, lines


def poor(paths):
    """Degrade images as CAMERA does, with Pillow alone."""
    from PIL import Image

    found = []
    for path in paths:
        image = Image.open(path).convert("RGB").crop((2, 2, 77, 77))
        small = image.resize((20, 20), Image.Resampling.BICUBIC).resize((75, 75), Image.Resampling.BICUBIC)
        found.append(np.repeat(np.asarray(small.convert("L"))[..., None], 3, 2))
    return np.stack(found)


def test_poor_images_come_nearer_to_the_clean_ones_by_the_teacher(trained, drawn_checkpoint):
    tuner, _ = trained
    before = Model.restore(drawn_checkpoint)
    paths = list(tuner.inputs.train.paths)
    targets = before.embed(paths)

    def distance(model):
        return float(np.mean(np.sum((model.embed(poor(paths)) - targets) ** 2, axis=1)))

    assert distance(tuner.model) < 0.8 * distance(before)


def test_the_loss_is_the_distillation_with_its_factor(trained):
    tuner, _ = trained
    for row in tuner.rows:
        assert row.get("loss") == pytest.approx(10 * row.get("distillation"), rel=1e-6)
        assert row.get("validation_loss") is None
        assert row.get("accuracy") is None


def test_all_images_train_and_the_last_epoch_is_kept(trained, unlabelled):
    tuner, lines = trained
    assert len(tuner.inputs.train) == 24
    assert tuner.results[0].kept_epoch == 3
    assert "24 unlabelled images to train on, 1 file left out" in lines
    assert "person" not in next(line for line in lines.splitlines() if line.startswith("data"))


def test_the_checkpoint_has_no_classifier_and_gives_the_embeddings_of_the_model(trained, faces):
    tuner, _ = trained
    saved = Model.restore(tuner.results[0].folder)
    assert saved.num_classes is None
    assert not any(saved.backbone.is_head(name) for name in saved.variables)
    assert not (tuner.results[0].folder / "class_names.txt").exists()
    paths = sorted((faces / "strangers").rglob("*.png"))
    np.testing.assert_array_equal(saved.embed(paths), tuner.model.embed(paths))


def test_the_report_and_the_model_card_are_written(trained):
    tuner, _ = trained
    card = (tuner.folder.path / "MODEL_CARD.md").read_text()
    assert "24 unlabelled images" in card
    assert "unlabelled" in (tuner.folder.path / "report.html").read_text()


def test_a_labelled_stage_without_a_loss_keeps_a_classifier_of_the_class_means(drawn_checkpoint, faces, tmp_path):
    values = {"data": {"train": str(faces / "learn"), "validation_split": 0.2}, "batch_size": 8, "verbose": False}
    tuner = FineTuner(drawn_checkpoint, output=tmp_path / "run", augment={"camera": CAMERA}, **values)
    result = tuner.run(STAGE)
    assert tuner.model.num_classes == 4
    assert result.validation_loss is None
    assert result.kept_epoch == 3
    assert tuner.evaluate().accuracy == result.validation_accuracy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data.validation_split": 0.2}, "data.validation_split: found it beside labels: none"),
        ({"data.strangers": 0.2}, "data.strangers: found it beside labels: none"),
        ({"data.min_images_per_person": 2}, "data.min_images_per_person: found it beside labels: none"),
        ({"data.filter": {"percentile": 90}}, "data.filter: found it beside labels: none"),
        ({"stages.0.loss": "softmax"}, "stages[0].loss: found it beside data.labels: none; give loss: none"),
        ({"stages.0.sampling": "balanced"}, "stages[0].sampling: found it beside data.labels: none; remove it"),
        ({"stages.0.center_loss": {"factor": 0.1}}, "stages[0].center_loss: found it beside data.labels: none"),
        ({"stages.0.distillation": 0}, "stages[0].loss: found 'none', and no distillation to minimize"),
        ({"stages.0.train_from": "Logits"}, "stages[0].train_from: without a loss no classifier trains"),
        ({"stages.0.init": "prototypes"}, "stages[0].init: without a loss no classifier trains; remove it"),
        ({"stages.0.early_stopping": 2}, "stages[0].early_stopping: without a loss there is no validation loss"),
        ({"stages.0.class_weight": "balanced"}, "stages[0].class_weight: a none loss has no classes to weigh"),
    ],
)
def test_keys_that_ask_who_is_in_an_image_are_refused(tmp_path, change, said):
    values = {
        "checkpoint": "c",
        "output": str(tmp_path / "run"),
        "data": {"train": "faces", "labels": "none"},
        "stages": [STAGE.to_value()],
    }
    for key, value in change.items():
        section, *inside = key.split(".")
        place = values[section][int(inside.pop(0))] if section == "stages" else values[section]
        place[inside[0]] = value
    with pytest.raises(RecipeError) as raised:
        Recipe.from_values(values)
    assert said in str(raised.value)


def test_a_folder_without_a_usable_image_is_refused_in_one_line(drawn_checkpoint, faces, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match=r"empty: no usable image in it; the first of 1 not used is .*notes.txt"):
        FineTuner(drawn_checkpoint, output=tmp_path / "run", **settings(faces, folder))
    with pytest.raises(UserError, match="not a folder; give a folder of images"):
        FineTuner(drawn_checkpoint, output=tmp_path / "run", **settings(faces, folder / "notes.txt"))
