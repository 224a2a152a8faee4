from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset.scanning import Dataset
from finetune.errors import RunError
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import central_crop
from finetune.recipe.sections import Augment

pytestmark = pytest.mark.tf

SIZE = 24
FIXED = Preprocessing(image_size=SIZE)


@pytest.fixture(scope="module")
def pipeline():
    from finetune.dataset import pipeline

    return pipeline


def make(root: Path, n: int, size: int = SIZE + 6) -> Dataset:
    """Write images: image i has 10 i in its blue channel, and each pixel's column and row in red and green."""
    row, column = np.indices((size, size), dtype=np.uint8)
    paths = []
    for i in range(n):
        paths.append(root / f"{i}.png")
        Image.fromarray(np.stack([column, row, np.full_like(row, 10 * i)], axis=2)).save(paths[-1])
    return Dataset(root, ("ann", "bob"), tuple(paths), np.arange(n, dtype=np.int64) % 2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("faces"), 20)


def draw(
    pipeline, dataset: Dataset, augment: Augment, *, batch_size: int = 8, seed: int = 1, stage: int = 0, epoch: int = 1
):
    """Draw one epoch and return (batch sizes, {image index: pixels}, order of the images, {image index: label})."""
    batches = pipeline.training_batches(
        dataset, pipeline.Drawing(seed, stage, epoch), preprocessing=FIXED, augment=augment, batch_size=batch_size
    )
    sizes, views, labels = [], {}, {}
    for pixels, of_batch in batches:
        assert pixels.dtype == np.uint8
        assert tuple(pixels.shape[1:]) == (SIZE, SIZE, 3)
        assert of_batch.dtype == np.int64
        sizes.append(len(pixels))
        for image, label in zip(pixels.numpy().astype(int), of_batch.numpy(), strict=True):
            index = round(image[..., 2].max() / 10)
            views[index], labels[index] = image, int(label)
    return sizes, views, list(views), labels


def same(one: dict[int, np.ndarray], other: dict[int, np.ndarray]) -> bool:
    return all(np.array_equal(one[i], other[i]) for i in one)


ALL = Augment(random_crop=True, random_flip=True, random_rotate=10.0)
GOLDEN = [
    ({}, "d91113696349328430111bb2bb8b107acd4b15975b12d4d4bc0334a130aca118"),
    ({"random_flip": True}, "92360e7a5b74f5ea5dc01453e5b59687412589b06680d74be38ea741ea717cad"),
    (
        {"random_crop": True, "random_rotate": 7.5},
        "ba18a7d1a11d9bdc420689d6b2c62ad9b5a7179b12bea176ad739a322d0908db",
    ),
    (
        {"random_crop": True, "random_flip": True, "random_rotate": 10.0, "views": 3},
        "2a42596350213133f0e85a78d391d0b5477715b239b595dcd8bb43e6902ca9f2",
    ),
]


@pytest.mark.parametrize(("asked", "sha256"), GOLDEN)
def test_crop_flip_and_rotation_are_drawn_as_they_always_were(pipeline, dataset, asked, sha256):
    """Compare with digests that were computed before there was any other augmentation."""
    digest = hashlib.sha256()
    for key in ((1, 1, 1), (5, 2, 4)):
        for pixels, labels in pipeline.training_batches(
            dataset, pipeline.Drawing(*key), preprocessing=FIXED, augment=Augment(**asked), batch_size=8
        ):
            digest.update(pixels.numpy().tobytes())
            digest.update(labels.numpy().tobytes())
    assert digest.hexdigest() == sha256


def test_an_epoch_holds_every_image_once_with_its_label(pipeline, dataset):
    sizes, views, order, labels = draw(pipeline, dataset, Augment())
    assert sizes == [8, 8, 4]
    assert sorted(views) == list(range(20))
    assert order != sorted(order)
    assert labels == {i: i % 2 for i in range(20)}


def test_without_augmentation_the_central_crop_is_given(pipeline, dataset):
    _, views, _, _ = draw(pipeline, dataset, Augment())
    for i, image in views.items():
        assert image[0, 0].tolist() == [3, 3, 10 * i]
        assert image[-1, -1].tolist() == [3 + SIZE - 1, 3 + SIZE - 1, 10 * i]


EVERYTHING = Augment(
    random_crop=True,
    random_flip=True,
    random_rotate=10.0,
    random_shear=5.0,
    random_zoom=0.05,
    random_brightness=0.05,
    random_contrast=0.05,
    random_auto_contrast=0.5,
    random_cutout=0.3,
)


@pytest.mark.parametrize("augment", [Augment(), ALL])
def test_an_epoch_can_be_drawn_again(pipeline, dataset, augment):
    first, second = (draw(pipeline, dataset, augment) for _ in range(2))
    assert first[2] == second[2]
    assert same(first[1], second[1])


def test_an_images_view_does_not_depend_on_the_batch_or_on_the_images_after_it(pipeline, dataset):
    _, views, order, _ = draw(pipeline, dataset, ALL)
    _, alone, _, _ = draw(pipeline, dataset, ALL, batch_size=3)
    _, fewer, shorter, _ = draw(pipeline, dataset.take(np.arange(9)), ALL)
    assert same(views, alone)
    assert same(fewer, views)
    assert shorter != [i for i in order if i < 9]


@pytest.mark.parametrize("other", [{"seed": 2}, {"stage": 1}, {"epoch": 2}])
def test_seed_stage_and_epoch_each_change_order_and_views(pipeline, dataset, other):
    _, views, order, _ = draw(pipeline, dataset, ALL)
    _, others, another, _ = draw(pipeline, dataset, ALL, **other)
    assert order != another
    assert sum(np.array_equal(views[i], others[i]) for i in views) <= 1


def drawn_pixels(pipeline, dataset: Dataset, order: list[int], key: tuple[int, int, int] = (1, 0, 1)) -> np.ndarray:
    """Return the images of `order` with every change on, [n, SIZE, SIZE, 3]."""
    batches = pipeline.training_batches(
        dataset,
        pipeline.Drawing(*key),
        preprocessing=FIXED,
        augment=EVERYTHING,
        batch_size=3,
        order=np.array(order, np.int64),
    )
    return np.concatenate([pixels for pixels, _ in batches])


def test_with_every_change_an_image_depends_on_its_place_and_the_epoch_alone(pipeline, dataset):
    whole = drawn_pixels(pipeline, dataset, list(range(20)))
    np.testing.assert_array_equal(drawn_pixels(pipeline, dataset, [7, 2, 11, 2]), whole[[7, 2, 11, 2]])
    for other in ((2, 0, 1), (1, 1, 1), (1, 0, 2)):
        pixels = drawn_pixels(pipeline, dataset, list(range(20)), other)
        assert not any(np.array_equal(*pair) for pair in zip(pixels, whole, strict=True))


def test_every_change_reaches_the_image_that_the_network_sees(pipeline, dataset):
    bare = pipeline.training_batches(
        dataset, pipeline.Drawing(1, 0, 1), preprocessing=FIXED, augment=Augment(), batch_size=20, order=np.arange(20)
    )
    ((before, _),) = bare
    for key in ("shear", "zoom", "brightness", "contrast", "auto_contrast", "cutout"):
        ((after, _),) = pipeline.training_batches(
            dataset,
            pipeline.Drawing(1, 0, 1),
            preprocessing=FIXED,
            augment=Augment(**{f"random_{key}": 0.9 if key != "shear" else 40.0}),
            batch_size=20,
            order=np.arange(20),
        )
        changed = [not np.array_equal(*pair) for pair in zip(before.numpy(), after.numpy(), strict=True)]
        assert sum(changed) >= 15, key
        assert after.shape == before.shape


def test_a_flip_is_a_mirror_image_at_about_even_odds(pipeline, dataset):
    views = [
        image
        for epoch in range(4)
        for image in draw(pipeline, dataset, Augment(random_flip=True), epoch=epoch)[1].values()
    ]
    mirrored = [image[0, 0, 0] > image[0, -1, 0] for image in views]
    for image, flipped in zip(views, mirrored, strict=True):
        np.testing.assert_array_equal(np.sort(image[0, :, 0]), np.arange(3, 3 + SIZE))
        assert (np.diff(image[0, :, 0]) == (-1 if flipped else 1)).all()
    assert 20 <= sum(mirrored) <= 60  # of 80: beyond that lie odds of 1 in 300,000


def test_a_crop_lies_anywhere_inside(pipeline, dataset):
    corners = [
        tuple(image[0, 0, :2])
        for epoch in range(4)
        for image in draw(pipeline, dataset, Augment(random_crop=True), epoch=epoch)[1].values()
    ]
    assert {x for x, _ in corners} == {y for _, y in corners} == set(range(7))
    assert abs(np.corrcoef(np.array(corners).T)[0, 1]) < 0.4


def test_crop_and_flip_are_drawn_independently(pipeline, dataset):
    views = [
        image
        for epoch in range(4)
        for image in draw(pipeline, dataset, Augment(random_crop=True, random_flip=True), epoch=epoch)[1].values()
    ]
    left = np.array([image[0, :, 0].min() for image in views])
    mirrored = np.array([image[0, 0, 0] > image[0, -1, 0] for image in views])
    assert abs(np.corrcoef(left, mirrored)[0, 1]) < 0.4


VIEWS = Augment(random_crop=True, random_flip=True, random_rotate=10.0, views=3)


def test_epochs_take_the_views_in_turn_whatever_the_stage(pipeline, dataset):
    drawn = {
        (stage, epoch): draw(pipeline, dataset, VIEWS, stage=stage, epoch=epoch)
        for stage, epoch in ((1, 1), (1, 2), (1, 3), (1, 4), (2, 2))
    }
    views = {key: value[1] for key, value in drawn.items()}
    assert same(views[1, 1], views[1, 4])
    assert drawn[1, 1][2] != drawn[1, 4][2]  # in another order
    assert same(views[1, 2], views[2, 2])
    assert not same(views[1, 1], views[1, 2])
    assert not same(views[1, 2], views[1, 3])
    assert not same(views[1, 2], draw(pipeline, dataset, VIEWS, seed=2, epoch=2)[1])


def test_some_views_are_drawn_alone_as_in_their_epoch(pipeline, dataset):
    whole = draw(pipeline, dataset, VIEWS, seed=4, epoch=2)[1]
    key = pipeline.Drawing(4, 1, 2).key(VIEWS)
    batches = pipeline.view_batches(
        dataset.paths, np.array([7, 2, 11]), preprocessing=FIXED, augment=VIEWS, batch_size=2, key=key
    )
    some = np.concatenate(list(batches))
    for index, pixels in zip([7, 2, 11], some, strict=True):
        np.testing.assert_array_equal(pixels, whole[index])


def test_rotation_comes_before_the_crop_and_keeps_within_its_limit(pipeline, tmp_path):
    path = tmp_path / "white.png"
    Image.new("RGB", (182, 182), "white").save(path)
    white = Dataset(tmp_path, ("ann", "bob"), (path,) * 12, np.zeros(12, np.int64))

    def darkest(limit: float) -> list[float]:
        batches = pipeline.training_batches(
            white,
            pipeline.Drawing(0, 0, 0),
            preprocessing=Preprocessing(image_size=160),
            augment=Augment(random_rotate=limit),
            batch_size=12,
        )
        return next(iter(batches))[0].numpy().min(axis=(1, 2, 3)).tolist()

    # The corners of a 160-crop lie 113 pixels from the middle; the edges of 182 are met at 9 degrees.
    assert min(darkest(7.0)) == 255
    assert min(darkest(60.0)) == 0


@pytest.mark.parametrize("margin", [0, 1, 2, 5])
def test_the_central_crop_is_tensorflows(pipeline, margin):
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (8 + margin, 9, 3), dtype=np.uint8)
    expected = tf.image.resize_with_crop_or_pad(pixels, 8, 8)
    np.testing.assert_array_equal(central_crop(pixels, 8), expected)


def test_of_several_images_that_vanish_the_first_that_is_drawn_is_named(pipeline, tmp_path):
    dataset = make(tmp_path, 20)
    order = np.roll(np.arange(20)[::-1], 3)
    for place in (4, 5, 6):
        dataset.paths[order[place]].unlink()
    drawn = {"augment": ALL, "batch_size": 2, "order": order}
    batches = pipeline.training_batches(dataset, pipeline.Drawing(1, 0, 1), preprocessing=FIXED, **drawn)
    for _ in range(2):
        with pytest.raises(RunError) as raised:
            list(batches)
        assert [problem.where for problem in raised.value.problems] == [dataset.paths[order[4]]]
