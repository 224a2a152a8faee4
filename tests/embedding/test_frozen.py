"""Training from cached features gives the same result as training from images, only sooner."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.errors import Problem, RunError
from finetune.images import Preprocessing
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.embedding import frozen, frozen_units as units
from finetune.embedding.embedder import Embedder
from finetune.embedding.frozen import FrozenFeatures
from finetune.embedding.frozen_units import FrozenUnits
from finetune.model import Model, model as model_module
from finetune.runs.tuner import FineTuner

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")


@pytest.fixture
def make(tmp_path, faces, drawn_checkpoint, monkeypatch, without_reports):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))

    def make(output="run", **changes):
        data = {"train": changes.pop("train", faces / "learn"), "validation_split": 0.2}
        return FineTuner(drawn_checkpoint, data=data, output=tmp_path / output, batch_size=8, **changes)

    return make


@pytest.mark.parametrize(("cache", "train_from"), [("memory", "Logits"), ("disk", "Bottleneck"), ("disk", "Block8")])
@pytest.mark.slow
def test_the_loss_curve_is_that_of_the_uncached_run(make, cache, train_from):
    curves = []
    for output, mode in (("cached", cache), ("uncached", "off")):
        tuner = make(output, cache=mode)
        tuner.run(Stage("s", train_from=train_from, epochs=3, learning_rate=0.001, keep_probability=0.8))
        curves.append([[row["loss"], row["validation_loss"]] for row in tuner.rows])
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)


def test_each_image_passes_the_frozen_units_once(make, passes):
    tuner = make()
    tuner.run(Stage("head", train_from="Logits", epochs=4))
    assert sum(passes) == len(tuner.inputs.train) + len(tuner.inputs.validation)


@pytest.mark.slow
def test_a_later_stage_of_the_same_boundary_and_a_second_run_compute_nothing(make, passes):
    tuner = make()
    tuner.run(Stage("head", train_from="Logits", epochs=1))
    passes.clear()
    tuner.run(Stage("head again", train_from="Logits", epochs=2))
    make("second", seed=1).run(Stage("head", train_from="Logits", epochs=1))
    assert passes == []


@pytest.mark.slow
def test_after_the_frozen_units_changed_nothing_stale_is_served(make, passes):
    tuner = make()
    tuner.run(Stage("head", train_from="Logits", epochs=1))
    tuner.run(Stage("block", train_from="Block8", epochs=1))
    passes.clear()
    name = "InceptionResnetV1/Block8/Conv2d_1x1/biases"
    tuner.model.assign({name: tuner.model.variables[name].numpy() + 1})
    model, inputs = tuner.model, tuner.inputs
    head = V1.names.index("Logits")
    embedder = Embedder(model, tuner.recipe.cache, inputs.records, first=head)
    features = FrozenFeatures(embedder, tuner.recipe, 1, inputs.train, inputs.validation)
    got = np.concatenate([batch.features.numpy() for batch in features.validation()])
    assert sum(passes) == len(inputs.validation)
    fresh = tuner.recipe.model_copy(update={"cache": "off"})
    embedder = Embedder(model, "off", inputs.records, first=head)
    expected = FrozenFeatures(embedder, fresh, 1, inputs.train, inputs.validation)
    np.testing.assert_allclose(
        got, np.concatenate([b.features.numpy() for b in expected.validation()]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_an_image_that_was_replaced_is_computed_anew_and_a_copy_is_not(make, passes, faces, tmp_path):
    folder = tmp_path / "people"
    shutil.copytree(faces / "learn", folder)
    make("first", train=folder).run(Stage("head", train_from="Logits", epochs=1))
    person, other = sorted(folder.iterdir())[:2]
    first, second = sorted(person.iterdir())[:2]
    first.write_bytes(sorted(other.iterdir())[0].read_bytes())  # known by its content
    pixels = bytearray(second.read_bytes())
    second.write_bytes(bytes(pixels) + b"\0")  # another file, of the same pixels
    passes.clear()
    make("second", train=folder).run(Stage("head", train_from="Logits", epochs=1))
    assert sum(passes) == 1


@pytest.mark.slow
def test_with_augmentation_each_epoch_is_drawn_from_the_images(make, passes):
    tuner = make(augment={"random_flip": True})
    tuner.run(Stage("head", train_from="Logits", epochs=2))
    images = len(tuner.inputs.train) + len(tuner.inputs.validation)
    assert sum(passes) == images + 2 * images  # as they are, to name the held-back ones before the run; then each epoch


VIEWS = {"random_flip": True, "random_rotate": 20, "views": 2}
MORE_VIEWS = VIEWS | {"random_shear": 5, "random_zoom": 0.1, "random_contrast": 0.2, "random_cutout": 0.3}


@pytest.mark.slow
@pytest.mark.parametrize("views", [VIEWS, MORE_VIEWS], ids=["few", "more"])
def test_kept_views_are_those_that_are_drawn_without_a_store(make, views):
    curves = []
    for output, mode in (("cached", "disk"), ("uncached", "off")):
        tuner = make(output, cache=mode, augment=views)
        tuner.run(Stage("s", train_from="Bottleneck", epochs=5, learning_rate=0.001))
        curves.append([[row["loss"], row["validation_loss"]] for row in tuner.rows])
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)


@pytest.mark.slow
def test_each_view_passes_the_frozen_units_once(make, passes):
    tuner = make(augment=VIEWS)
    tuner.run(Stage("head", train_from="Logits", epochs=5))
    images = len(tuner.inputs.train) + len(tuner.inputs.validation)
    assert sum(passes) == images + 2 * len(tuner.inputs.train)  # as they are, and each view
    passes.clear()
    make("second", augment=VIEWS).run(Stage("head", train_from="Logits", epochs=3))
    assert passes == []
    for other in ({"random_rotate": 10}, {"random_cutout": 0.2}):
        passes.clear()
        make(str(other), augment=VIEWS | other).run(Stage("head", train_from="Logits", epochs=1))
        assert sum(passes) == len(tuner.inputs.train)


@pytest.mark.slow
def test_a_fill_that_was_interrupted_goes_on_to_the_same_bytes(make, monkeypatch):
    for module in (frozen, units):
        monkeypatch.setattr(module, "FILL_BATCH", 4)
    monkeypatch.setattr(units, "SEGMENT", 1)

    def read(tuner):
        made = on_block8(tuner.inputs)
        return np.concatenate([batch.features.numpy() for batch in made.validation()])

    calls = iter([None, None, RunError(Problem("", "stopped"))])

    def stop_at_the_third():
        if error := next(calls):
            raise error

    tuner = make()
    with monkeypatch.context() as patched:
        patched.setattr(units, "stop_if_asked", stop_at_the_third)
        with pytest.raises(RunError, match="stopped"):
            read(tuner)
    resumed = read(tuner)
    assert resumed.tobytes() == read(make("fresh", cache="memory")).tobytes()


def on_block8(inputs):
    """Return features before Block8 of the training images, which are also the held-back ones."""
    first, train = V1.names.index("Block8"), inputs.train
    embedder = Embedder(inputs.model, inputs.recipe.cache, inputs.records, first=first)
    return FrozenFeatures(embedder, inputs.recipe, 1, train, train)


def test_what_was_computed_before_an_interruption_is_not_computed_again(make, monkeypatch, passes):
    for module in (frozen, units):
        monkeypatch.setattr(module, "FILL_BATCH", 4)
    calls = iter([None, None, RunError(Problem("", "stopped")), *[None] * 99])

    def stop_at_the_third():
        if error := next(calls):
            raise error

    inputs = make().inputs
    monkeypatch.setattr(units, "stop_if_asked", stop_at_the_third)
    for _ in range(2):
        made = on_block8(inputs)
        try:
            assert len(list(made.validation())) == -(-len(inputs.train) // 8)
        except RunError:
            assert sum(passes) == 8  # far less than a segment
    assert sum(passes) == len(inputs.train)


def test_after_some_seconds_what_was_computed_is_on_disk_where_a_kill_can_not_reach_it(make, monkeypatch, tmp_path):
    for module in (frozen, units):
        monkeypatch.setattr(module, "FILL_BATCH", 4)
    monkeypatch.setattr(units, "SEGMENT_SECONDS", 0.0)
    inputs, kept = make().inputs, []
    before = len(list((tmp_path / "cache").rglob("*.keys")))

    def count():
        kept.append(len(list((tmp_path / "cache").rglob("*.keys"))) - before)

    monkeypatch.setattr(units, "stop_if_asked", count)
    made = on_block8(inputs)
    list(made.validation())
    assert kept == list(range(-(-len(inputs.train) // 4)))


def test_an_image_that_vanishes_before_it_was_computed_is_one_line(make, faces, tmp_path):
    folder = tmp_path / "people"
    shutil.copytree(faces / "learn", folder)
    tuner = make(train=folder)
    tuner.inputs.train.paths[3].unlink()
    with pytest.raises(RunError, match="no such file; it could be read when the run began"):
        tuner.run(Stage("head", train_from="Logits", epochs=1))


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_an_image_that_changes_after_the_run_has_read_it_is_one_line(make, faces, tmp_path, cache):
    folder = tmp_path / "people"
    shutil.copytree(faces / "learn", folder)
    tuner = make(train=folder, cache=cache)
    changed, other = tuner.inputs.train.paths[3], tuner.inputs.train.paths[4]
    changed.write_bytes(other.read_bytes())
    with pytest.raises(RunError, match=rf"{changed}: .*leave the images as they are, and start again"):
        tuner.run(Stage("head", train_from="Logits", epochs=1))


BACKBONE = "InceptionResnetV1/Conv2d_1a_3x3/weights"


def described(weights="a", image_size=160, standardization="fixed", **changes):
    """Return a stand-in with everything that the cache asks of a model."""
    names = {BACKBONE: weights, "InceptionResnetV1/Bottleneck/weights": "b", "Logits/weights": "c"}
    values = {
        "backbone": V1,
        "shape_before": lambda first: (1792,) if V1.names[first] == "Bottleneck" else (512,),
        "names": tuple(names),
        "digests": lambda of: {name: names[name] for name in of},
        "preprocessing": Preprocessing(image_size, standardization),
        "precision": "float32",
        "runtime": "tensorflow",
    }
    stand_in = SimpleNamespace(**values | changes)
    stand_in.computed_by = Model.computed_by.fget(stand_in)
    return stand_in


def opened(model, first, keys):
    return FrozenUnits(model, "disk", first).open("disk", keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": "another"},
        {"image_size": 182},
        {"standardization": "per_image"},
        {"precision": "bfloat16"},
        {"runtime": "pip"},  # any other package that is installed
    ],
    ids=str,
)
def test_vectors_of_one_model_are_not_served_to_another(changes, tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    head, key = V1.names.index("Logits"), b"k" * 32
    opened(described(), head, [key]).add([key], np.ones([1, 512], np.float32))
    assert key in opened(described(), head, [key])
    assert key not in opened(described(**changes), head, [key])


def test_vectors_of_one_cut_or_library_are_not_served_to_another(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    key = b"k" * 32
    opened(described(), V1.names.index("Logits"), [key]).add([key], np.ones([1, 512], np.float32))
    assert key not in opened(described(), V1.names.index("Bottleneck"), [key])
    for where, name in (
        (model_module, "__version__"),
        (model_module.tf, "__version__"),
        (model_module.PIL, "__version__"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, "0.0")
            assert key not in opened(described(), V1.names.index("Logits"), [key])
    monkeypatch.setenv(
        "TF_ENABLE_ONEDNN_OPTS", "0" if model_module.os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0" else "1"
    )
    assert key not in opened(described(), V1.names.index("Logits"), [key])


def test_weights_that_train_do_not_change_where_features_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    cut, key = V1.names.index("Bottleneck"), b"k" * 32
    opened(described(), cut, [key]).add([key], np.ones([1, 1792], np.float32))
    digests = {BACKBONE: "a", "InceptionResnetV1/Bottleneck/weights": "trained", "Logits/weights": "trained"}
    assert key in opened(described(digests=lambda of: {name: digests[name] for name in of}), cut, [key])


@pytest.mark.slow
def test_a_view_of_an_image_that_was_replaced_is_computed_anew(make, passes, faces, tmp_path):
    folder = tmp_path / "people"
    shutil.copytree(faces / "learn", folder)
    make("first", train=folder, augment=VIEWS).run(Stage("head", train_from="Logits", epochs=2))
    passes.clear()
    tuner = make("second", train=folder, augment=VIEWS)
    tuner.inputs.train.paths[0].write_bytes(tuner.inputs.validation.paths[0].read_bytes())
    tuner = make("third", train=folder, augment=VIEWS)
    tuner.run(Stage("head", train_from="Logits", epochs=2))
    assert sum(passes) == 2
