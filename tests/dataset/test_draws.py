"""The draws have the bits of TensorFlow's stateless operations, and the views are those that TensorFlow computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset.draws import draw
from finetune.images import Preprocessing
from finetune.recipe import Augment

pytestmark = pytest.mark.tf
AS_PUBLISHED = {"random_crop": True, "random_flip": True}


@pytest.mark.parametrize(("key", "limit"), [(0, 10.0), (2**63 - 1, 180.0), (7_046_029_254_386_353_131, 0.3)])
def test_every_draw_has_the_bits_of_tensorflow(key, limit):
    import tensorflow as tf

    indices = np.concatenate([np.arange(300), 2 ** np.arange(9, 62), 2**40 + np.arange(50)]).astype(np.int64)

    def drawn(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        angle, crop, flip = tf.unstack(tf.random.split(tf.stack([tf.constant(key, tf.int64), index]), 3))
        places = tf.random.stateless_uniform([3], crop, maxval=tf.int32.max, dtype=tf.int32)
        degrees = tf.random.stateless_uniform([], angle, -limit, limit)
        return degrees, places[:2], tf.random.stateless_uniform([], flip) < 0.5

    expected = next(iter(tf.data.Dataset.from_tensor_slices(indices).map(drawn).batch(len(indices))))
    for ours, of_tensorflow in zip(draw(key, indices, limit), expected, strict=True):
        np.testing.assert_array_equal(ours, of_tensorflow)


def test_an_image_is_drawn_by_its_own_index_alone():
    indices = np.arange(50)
    whole = draw(3, indices, 10.0)
    for ours, alone in zip(whole, draw(3, indices[[7, 2]], 10.0), strict=True):
        np.testing.assert_array_equal(ours[[7, 2]], alone)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        AS_PUBLISHED,
        AS_PUBLISHED | {"random_rotate": 180.0, "random_shear": 5.0, "random_zoom": 0.1},
        AS_PUBLISHED | {"random_cutout": 0.4, "random_contrast": 0.3, "camera": {"noise": (1.0, 5.0), "blur": (0, 1)}},
    ],
)
@pytest.mark.parametrize("channels", ["rgb", "grey"])
def test_views_of_any_shape_are_those_that_tensorflow_computes(asked, channels, tmp_path):
    generator, paths = np.random.default_rng(0), [tmp_path / f"{number}.png" for number in range(24)]
    for path in paths:
        height, width = generator.integers(24, 40, 2)
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    same(paths, Preprocessing(24, channels=channels, convert=True), Augment(**asked), batch_size=5)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_thousand_faces_of_lfw_have_the_pixels_that_tensorflow_gives_them(suffix, shared, tmp_path):
    names = (shared / "lfw/novel.txt").read_text(encoding="utf-8").split()[:500]
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    command = [sys.executable, "-B", shared / "lfw/crop.py", tmp_path / "faces", "--only", tmp_path / "names.txt"]
    subprocess.run([*map(str, command), "--size", "182", "--margin", "44"], check=True, stdout=subprocess.DEVNULL)
    paths = sorted((tmp_path / "faces").rglob("*.png"))[:1000]
    assert len(paths) == 1000
    if suffix == ".jpg":
        paths = [as_jpeg(path) for path in paths]
    for asked in (AS_PUBLISHED, AS_PUBLISHED | {"random_rotate": 10.0}):
        same(paths, Preprocessing(160), Augment(**asked), batch_size=90)


def as_jpeg(path: Path) -> Path:
    with Image.open(path) as image:
        image.save(path.with_suffix(".jpg"), quality=90)
    return path.with_suffix(".jpg")


def same(paths: list[Path], preprocessing: Preprocessing, augment: Augment, *, batch_size: int) -> None:
    """Compare the pipeline's views with TensorFlow's."""
    from benchmarks import tensorflow_input
    from finetune.dataset import view_batches
    from finetune.images import hash_image

    order, key = np.random.default_rng(1).permutation(len(paths)), 2**62 + 17
    checksums = [hash_image(path).checksum for path in paths]
    expected = tensorflow_input.batches(paths, order, key, preprocessing, augment, batch_size, checksums)
    ours = view_batches(
        paths,
        order,
        preprocessing=preprocessing,
        augment=augment,
        batch_size=batch_size,
        key=key,
        checksums=checksums,
    )
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)
