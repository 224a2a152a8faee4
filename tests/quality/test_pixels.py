"""Sharpness, effective resolution and exposure of a crop, by pictures whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from finetune.images.perturbation import blur, brighten, shrink
from finetune.quality.pixels import SIDE, PixelQuality, measure_appearance


def natural(seed: int, side: int = 160) -> np.ndarray:
    """Draw a picture whose power falls with the square of the frequency, as in photographs."""
    draw = np.random.default_rng(seed)
    down, right = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    radius = np.hypot(down, right)
    radius[0, 0] = np.inf
    picture = np.fft.irfft2(np.exp(2j * np.pi * draw.random(radius.shape)) / radius, (side, side))
    grey = 120 + 45 * picture / picture.std()
    return np.repeat(grey.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("side", [20, 28, 40, 56, 72])
def test_the_resolution_is_the_side_from_which_a_picture_was_enlarged(side: int):
    for seed in range(5):
        # Neither the window nor the enlargement is perfect: both let some energy beyond the highest frequency.
        assert side <= measure_appearance(shrink(natural(seed), side)).resolution <= side + 9


def test_the_resolution_of_a_picture_with_all_detail_is_the_whole_side():
    assert measure_appearance(natural(1)).resolution > 0.9 * SIDE


@pytest.mark.parametrize("worse", [lambda p, n: blur(p, n), lambda p, n: shrink(p, 160 / (n + 1))])
def test_sharpness_and_resolution_fall_the_more_detail_is_lost(worse):
    seen = [measure_appearance(worse(natural(2), n)) for n in (1, 2, 3, 4, 6)]
    for measure in ("sharpness", "resolution"):
        values = [getattr(one, measure) for one in seen]
        assert values == sorted(values, reverse=True)
        assert values[0] > 2 * values[-1]


@given(st.floats(0.4, 1.0), st.integers(-20, 20))
def test_sharpness_and_resolution_do_not_depend_on_contrast_and_brightness(factor: float, more: int):
    plain = natural(3)
    changed = (60 + factor * (plain * 0.5) + more).astype(np.uint8)
    first, second = measure_appearance(plain), measure_appearance(changed)
    assert second.sharpness == pytest.approx(first.sharpness, rel=0.15)
    assert second.resolution == pytest.approx(first.resolution, rel=0.1)


def test_the_size_of_a_crop_does_not_matter_but_its_detail():
    plain = natural(4, 320)
    small = np.asarray(Image.fromarray(plain).resize((160, 160), Image.Resampling.BOX))
    assert measure_appearance(plain).sharpness == pytest.approx(measure_appearance(small).sharpness, rel=0.3)
    tiny = np.asarray(Image.fromarray(plain).resize((30, 30), Image.Resampling.BOX))
    assert measure_appearance(tiny).sharpness < 0.3 * measure_appearance(small).sharpness


def test_exposure_counts_dark_and_blown_pixels_of_the_face_alone():
    half = np.full((160, 160, 3), 128, np.uint8)
    half[:, :80], half[:, 80:] = 10, 254
    half[:20] = half[-20:] = half[:, :20] = half[:, -20:] = 128  # outside the face
    seen = measure_appearance(half)
    assert (seen.dark, seen.blown) == pytest.approx((0.5, 0.5), abs=0.02)
    assert seen.luminance == pytest.approx(132, abs=2)
    assert seen.contrast == pytest.approx(122, abs=3)
    assert seen.highlights == pytest.approx(254)
    assert measure_appearance(brighten(half, 0.1)).highlights == pytest.approx(25)


def test_luminance_weighs_the_colors_as_the_standard_does():
    color = np.tile(np.array([200, 100, 50], np.uint8), (96, 96, 1))
    assert measure_appearance(color).luminance == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=0.5)


def test_a_picture_of_one_color_has_no_detail():
    seen = measure_appearance(np.full((160, 160, 3), 77, np.uint8))
    assert seen == PixelQuality(0, 0, 77, 0, 77, 0, 0)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_every_picture_has_finite_measures(pixels: np.ndarray):
    seen = measure_appearance(pixels)
    assert np.isfinite(seen).all()
    assert min(seen) >= 0
    assert seen.resolution <= SIDE
    assert max(seen.luminance, seen.highlights) <= 255
    assert max(seen.dark, seen.blown) <= 1
