"""The restored model has FaceNet's embeddings and a fresh head, and unreadable files are refused."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from PIL import Image

from finetune.backbones import BACKBONES, by_name
from finetune.errors import CheckpointError, DataError, UserError
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import read_image
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402
from finetune.model import Model  # noqa: E402
from finetune.network import initial_value  # noqa: E402

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")


@pytest.fixture(scope="module")
def model(drawn_checkpoint):
    return Model.restore(drawn_checkpoint)


@pytest.fixture(scope="module")
def images(faces):
    return sorted((faces / "learn").rglob("*.png"))


@pytest.fixture(scope="module")
def real(shared):
    return Model.restore(shared / "facenet")


@pytest.fixture(scope="module")
def probe(shared):
    return np.load(shared / "expected/probe.npz", allow_pickle=False)


def prewhitened(x):
    """Standardize as FaceNet does, image by image: (x - mean) / max(std, 1 / sqrt(n))."""
    axes = (1, 2, 3)
    deviation = np.maximum(x.std(axes, keepdims=True), 1 / np.sqrt(x[0].size))
    return (x - x.mean(axes, keepdims=True)) / deviation


@pytest.mark.real
class TestAgainstThePublishedScripts:
    """Tests on the same pixels as the published scripts, so that no JPEG decoder stands between."""

    def test_embeddings(self, real, probe):
        assert np.abs(real.embed(probe["pixels"]) - probe["fixed"]).max() < 1e-5

    def test_embeddings_of_mirror_images_stand_beside(self, real, probe):
        both = real.embed(probe["pixels"], flip=True)
        assert np.abs(both - np.concatenate([probe["fixed"], probe["fixed_flipped"]], axis=1)).max() < 1e-5

    def test_embeddings_under_per_image_standardization(self, shared, probe):
        model = Model.restore(shared / "facenet", standardization="per_image")
        assert np.abs(model.embed(probe["pixels"]) - probe["per_image"]).max() < 1e-5

    def test_logits_of_the_old_classifier(self, real, probe):
        assert real.num_classes == 739
        assert len(real.class_names) == 739
        assert np.abs(real.logits(probe["pixels"]) - probe["logits"]).max() < 1e-4

    def test_the_first_layer_tells_the_standardization_that_it_was_trained_with(self, real, probe):
        fit = real.standardization_fit(probe["pixels"])
        assert fit["fixed"] < 0.5 * fit["per_image"]

    @pytest.mark.slow
    def test_whole_floats_and_standardized_images_give_the_same_embeddings(self, shared, real, probe):
        x = probe["pixels"].astype(np.float64)
        assert np.abs(real.embed(x) - probe["fixed"]).max() < 1e-5
        both = real.embed((x - 127.5) / 128, flip=True, standardized=True)
        assert np.abs(both - np.concatenate([probe["fixed"], probe["fixed_flipped"]], axis=1)).max() < 1e-5
        assert np.abs(real.logits((x - 127.5) / 128, standardized=True) - probe["logits"]).max() < 1e-4
        model = Model.restore(shared / "facenet", standardization="per_image")
        assert np.abs(model.embed(prewhitened(x), standardized=True) - probe["per_image"]).max() < 1e-5

    def test_every_image_is_embedded_the_same_in_whatever_batch(self, real, probe):
        few = real.embed(probe["pixels"][:7], batch_size=3)
        assert np.abs(few - probe["fixed"][:7]).max() < 1e-5


def test_embeddings_are_unit_rows_in_the_order_of_the_paths(model, images):
    embeddings = model.embed(images, batch_size=5)
    assert embeddings.shape == (24, 512)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    backwards = model.embed(images[::-1], batch_size=7)[::-1]
    np.testing.assert_allclose(backwards, embeddings, atol=1e-5)


def test_files_that_can_not_be_read_leave_nan_rows_and_reasons(model, images, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(images[0].read_bytes()[:500])
    bad = {}
    embeddings = model.embed([images[0], broken, images[1]], bad=bad, batch_size=2)
    assert list(bad) == [broken]
    assert np.isnan(embeddings[1]).all()
    np.testing.assert_allclose(embeddings[[0, 2]], model.embed(images[:2]), atol=1e-6)
    with pytest.raises(DataError, match=r"broken\.png: "):
        model.embed([images[0], broken])


def test_one_image_is_one_row_whatever_form_it_has(model, images):
    pixels = read_image(images[0])
    expected = model.embed([images[0]])
    for one in (images[0], str(images[0]), pixels, pixels.astype(float), Image.open(images[0]), iter(images[:1])):
        np.testing.assert_array_equal(model.embed(one), expected)


def test_a_folder_stands_for_the_images_below_it_in_their_order(model, faces, images):
    np.testing.assert_array_equal(model.embed(faces / "learn"), model.embed(images))


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1 / 255), (np.uint16, 257)])
def test_no_entry_takes_other_values_for_pixels(model, dtype, scale):
    others = (np.random.default_rng(1).integers(256, size=(2, 75, 75, 3)) * scale).astype(dtype)
    for entry in (model.embed, model.logits, model.standardization_fit):
        with pytest.raises(DataError, match=r"images\[0\]: found \w+ of shape \[75, 75, 3\], values from 0 to "):
            entry(others)
    for stop in (3, V1.head_index):
        with pytest.raises(DataError, match=f"pixels: found {np.dtype(dtype)} of shape .* give uint8"):
            model.prefix(stop)(others)
        with pytest.raises(DataError, match="give uint8"):
            model.prefix(stop)(tf.constant(others))


def test_an_image_that_is_smaller_than_the_input_is_named_by_its_row(model):
    with pytest.raises(DataError, match=r"images\[1\]: 60x75 pixels, smaller than the crop of 75"):
        model.embed([np.zeros([75, 75, 3], np.uint8), np.zeros([75, 60, 3], np.uint8)])


def test_standardized_images_reach_the_network_as_they_are(model, images):
    x = np.stack([read_image(image)[2:77, 2:77] for image in images[:3]]).astype(np.float32)
    np.testing.assert_allclose(model.embed((x - 127.5) / 128, standardized=True), model.embed(x), atol=1e-5)
    between = (x - 127.3) / 128  # no pixel has these values
    sides = [between, between[:, :, ::-1]]
    prelogits = [network.forward_pass(V1, tf.constant(side), model.variables).numpy() for side in sides]
    expected = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in prelogits]
    embeddings = model.embed(between, flip=True, standardized=True)
    np.testing.assert_allclose(embeddings, np.concatenate(expected, axis=1), atol=1e-5)
    assert np.abs(embeddings - model.embed(x, flip=True)).max() > 1e-4
    with pytest.raises(DataError, match=r"images\[0\]: found uint8 .*standardized=True takes float arrays"):
        model.embed(x.astype(np.uint8), standardized=True)
    with pytest.raises(DataError, match=r"images\[0\]: found PosixPath; standardized=True takes float arrays"):
        model.embed(images, standardized=True, bad={})


@pytest.mark.slow
def test_standardized_images_of_a_per_image_model(drawn_checkpoint, images):
    model = Model.restore(drawn_checkpoint, standardization="per_image")
    x = np.stack([read_image(image)[2:77, 2:77] for image in images[:3]])
    given = model.embed(prewhitened(x.astype(np.float64)), standardized=True)
    np.testing.assert_allclose(given, model.embed(x), atol=1e-5)


def test_the_fit_of_a_standardization_takes_what_embed_takes(model, faces, images):
    x = np.stack([read_image(image)[2:77, 2:77] for image in images])
    assert model.standardization_fit(faces / "learn") == model.standardization_fit(x.astype(float))
    with pytest.raises(DataError, match="images: found none"):
        model.standardization_fit([])


def test_no_images_give_no_rows(model):
    assert model.embed([]).shape == (0, 512)


def test_a_new_head_is_fresh_and_all_else_restored(drawn_checkpoint, model):
    fresh = Model.restore(drawn_checkpoint, class_names=["a", "b", "c"], seed=1)
    assert fresh.num_classes == 3
    assert fresh.plan.fresh == ("Logits/weights", "Logits/biases")
    assert set(fresh.plan.skipped) == {"Logits/weights", "Logits/biases"}
    body = [name for name in model.variables if not name.startswith("Logits/")]
    assert fresh.digests(body) == model.digests(body)


def test_the_new_head_is_drawn_by_the_seed_within_glorots_bounds():
    weights = initial_value(TINY, "Logits/weights", (512, 88), 1)
    np.testing.assert_array_equal(weights, initial_value(TINY, "Logits/weights", (512, 88), 1))
    assert not np.array_equal(weights, initial_value(TINY, "Logits/weights", (512, 88), 2))
    limit = np.sqrt(6 / (512 + 88))
    assert 0.99 * limit < np.abs(weights).max() <= limit
    assert np.abs(weights.mean()) < 0.01 * limit
    np.testing.assert_array_equal(initial_value(TINY, "Logits/biases", (88,), 1), np.zeros(88))


@pytest.mark.parametrize("left", [(), ("Logits/weights",), ("Logits/biases",)])
def test_a_checkpoint_without_a_whole_classifier_still_embeds(model, images, tmp_path, left):
    from finetune import checkpoint

    kept = {name: value for name, value in model.tensors().items() if name in left or not name.startswith("Logits/")}
    checkpoint.write(tmp_path, "headless", 0, kept)
    headless = Model.restore(tmp_path, image_size=75)
    assert headless.num_classes is None
    np.testing.assert_allclose(headless.embed(images[:3]), model.embed(images[:3]), atol=1e-6)
    with pytest.raises(DataError, match="holds no Logits with weights and biases"):
        headless.logits(images[:3])


def test_a_fresh_network_embeds_and_says_that_it_was_not_restored():
    model = Model.fresh(TINY, 8, ["a", "b"], preprocessing=Preprocessing(75), seed=1)
    pixels = np.random.default_rng(2).integers(256, size=(3, 75, 75, 3), dtype=np.uint8)
    np.testing.assert_allclose(np.linalg.norm(model.embed(pixels), axis=1), 1, atol=1e-5)
    assert (model.class_names, model.num_classes, model.embedding_size) == (("a", "b"), 2, 8)
    with pytest.raises(UserError, match=r"^a fresh Tiny: was not restored from a checkpoint; save it"):
        _ = model.source
    headless = Model.fresh(TINY, 8, preprocessing=Preprocessing(75), seed=1)
    assert headless.digests() == model.digests(headless.variables)
    with pytest.raises(DataError, match=r"^a fresh Tiny: holds no Logits"):
        headless.logits(pixels)


@pytest.mark.parametrize(
    "backbone",
    [pytest.param(backbone, marks=pytest.mark.slow, id=name) for name, backbone in BACKBONES.items()],
)
def test_every_backbone_is_restored_from_what_it_saves(backbone, tmp_path):
    contract = Preprocessing(80, "per_image")
    model = Model.fresh(backbone, 16, ["a", "b", "c"], preprocessing=contract, seed=2)
    restored = Model.restore(model.save(tmp_path))
    assert restored.backbone is backbone
    assert (restored.class_names, restored.num_classes, restored.embedding_size) == (("a", "b", "c"), 3, 16)
    assert (restored.preprocessing.image_size, restored.preprocessing.standardization) == (80, "per_image")
    assert restored.digests() == model.digests()
    pixels = np.random.default_rng(3).integers(256, size=(2, 80, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(restored.embed(pixels), model.embed(pixels))


def test_a_network_that_is_registered_is_recognised_by_its_variables(monkeypatch, tmp_path):
    model = Model.fresh(TINY, 8, ["a", "b"], preprocessing=Preprocessing(75), seed=1)
    saved = model.save(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds another network, with variables under Logits, Tiny"):
        Model.restore(saved)
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    restored = Model.restore(saved)
    assert restored.backbone is TINY
    assert restored.digests() == model.digests()


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        Model.restore(tmp_path / "nowhere")
    assert len(caught.value.problems) == 1


@pytest.mark.slow
def test_embeddings_follow_the_weights_whoever_changes_them(drawn_checkpoint, images, tmp_path):
    from finetune.recipe.stage import Stage
    from finetune.training.step import Trainer

    model = Model.restore(drawn_checkpoint, class_names=["a", "b"])
    start = model.tensors()
    first = model.embed(images[:3])
    features, labels = model.prefix(V1.names.index("Bottleneck"))(np.zeros([2, 75, 75, 3], np.uint8)), [0, 1]
    trainer = Trainer(model, Stage("s", "Bottleneck", 1, optimizer="momentum"))
    trainer.step(features, tf.constant(labels, tf.int64), 1.0, (1, 1))
    trained = model.embed(images[:3])
    assert np.abs(trained - first).max() > 1e-3
    np.testing.assert_array_equal(Model.restore(model.save(tmp_path)).embed(images[:3]), trained)
    model.assign(start)
    np.testing.assert_array_equal(model.embed(images[:3]), first)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ({"precision": "bf16"}, "precision: found 'bf16'; give float32 or bfloat16"),
        ({"runtime": "openvin"}, "runtime: found 'openvin'; give tensorflow or openvino"),
        (
            {"standardization": "fixd"},
            "standardization: found 'fixd'; give fixed, per_image, unit, symmetric, imagenet or none",
        ),
    ],
)
def test_a_wrong_word_is_one_line(drawn_checkpoint, option, line):
    with pytest.raises(UserError) as caught:
        Model.restore(drawn_checkpoint, **option)
    assert tuple(map(str, caught.value.problems)) == (line,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_to_restore_the_model_itself(model, drawn_checkpoint, images):
    def embed():
        return model.embed(images[:2])

    embed()  # TensorFlow's threads are there
    entries = (
        embed,
        lambda: model.logits(images[:2]),
        lambda: model.prefix(3),
        lambda: Model.restore(drawn_checkpoint),
    )
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)  # ends the process, should it wait for threads that are not there
        for entry in entries:
            try:
                entry()
            except UserError as error:
                os.write(writes, f"{error}\n".encode())
        os._exit(0)
    os.close(writes)
    assert os.waitpid(child, 0)[1] == 0
    with open(reads, encoding="utf-8") as told:
        lines = told.read().splitlines()
    assert len(lines) == len(entries)
    assert all(line.startswith(f"process {child}: forked from process {os.getpid()}") for line in lines)


@pytest.mark.parametrize("factor", [1e30, np.float32(3e38)])
def test_weights_that_give_no_finite_embedding_are_told(drawn_checkpoint, images, factor):
    model = Model.restore(drawn_checkpoint)
    name = "InceptionResnetV1/Bottleneck/weights"
    model.assign({name: np.clip(model.variables[name].numpy() * factor, -3e38, 3e38).astype(np.float32)})
    assert np.isfinite(model.variables[name].numpy()).all()
    for compute in (model.embed, model.logits, model.prefix(V1.head_index)):
        pixels = np.stack([read_image(path) for path in images])
        with pytest.raises(DataError, match=r"gives NaN or infinite values for an image.*; give another copy"):
            compute(pixels)
