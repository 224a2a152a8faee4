"""Every key of `augment.camera`: what is read, and the line that answers a wrong value."""

from __future__ import annotations

import pytest

from finetune.errors import RecipeError
from finetune.recipe import Augment, Camera
from tests.recipe.conftest import GOOD, load, problems

PAIR = "give two numbers, the lower one first, such as"
BAD = [
    ("{mask: 1.5}", ".mask: found 1.5; give a number from 0 to 1"),
    ("{mask: true}", ".mask: found true; give a number from 0 to 1"),
    ("{low_light: 0.5}", f".low_light: found 0.5; {PAIR} [0.3, 1]"),
    ("{low_light: [0, 1]}", ".low_light[0]: found 0; give a share of the light above 0, at most 1"),
    ("{motion: [0, 101]}", ".motion[1]: found 101; give a number of pixels from 0 to 100"),
    ("{blur: [2, 1]}", ".blur: found 2 before 1; give the lower number first"),
    ("{resolution: [16.5, 64]}", ".resolution[0]: found 16.5; give a whole number of pixels from 4 to 4096"),
    ("{resolution: [3, 64]}", ".resolution[0]: found 3; give a whole number of pixels from 4 to 4096"),
    ("{resolution: 32}", f".resolution: found 32; {PAIR} [16, 64]"),
    ("{noise: [0, 10, 20]}", f".noise: found a list; {PAIR} [0, 10]"),
    ("{noise: {from: 1}}", f".noise: found keys and values; {PAIR} [0, 10]"),
    ("{grey: yes please}", ".grey: found the text 'yes please'; give true, false, or a probability from 0 to 1"),
    ("{grey: 2}", ".grey: found 2; give true, false, or a probability from 0 to 1"),
    ("{gamma: [0, 1]}", ".gamma[0]: found 0; give an exponent from 0.1 to 10"),
    ("{jpeg: [20, '60']}", ".jpeg[1]: found the text '60'; give a whole number from 1 to 100"),
    ("{jpeg: [0, 60]}", ".jpeg[0]: found 0; give a whole number from 1 to 100"),
    ("{gray: true}", ".gray: unknown key; did you mean 'grey'?"),
    ("{}", ": no degradation in it; give mask, low_light, motion, blur, resolution, noise, grey, gamma or jpeg, or"),
    ("phone", ": found the text 'phone'; give the keys mask, low_light, motion, blur, resolution, noise, grey"),
]


@pytest.mark.parametrize(("camera", "expected"), BAD)
def test_a_wrong_value_is_answered_by_one_line(camera: str, expected: str):
    (line,) = problems(GOOD.replace("runs/r", f"runs/r\naugment: {{camera: {camera}}}"))
    assert line.startswith(f"x.yaml:3 augment.camera{expected}")


def test_all_wrong_values_come_at_once():
    lines = problems(GOOD.replace("runs/r", "runs/r\naugment: {views: 0, camera: {blur: [2, 1], jpeg: [0, 101]}}"))
    assert [line.split(": ")[0] for line in lines] == [
        "x.yaml:3 augment.views",
        "x.yaml:3 augment.camera.blur",
        "x.yaml:3 augment.camera.jpeg[0]",
        "x.yaml:3 augment.camera.jpeg[1]",
    ]


def test_what_is_given_is_read_and_written_again():
    text = GOOD.replace(
        "runs/r",
        "runs/r\naugment: {camera: {mask: 0.2, low_light: [0.5, 1], motion: [0, 7], blur: [0, 1.5], "
        "resolution: [16, 64], noise: [0, 8], grey: true, gamma: [0.8, 1.4], jpeg: [20, 60]}}",
    )
    recipe = load(text)
    camera = recipe.augment.camera
    assert camera == Camera(0.2, [0.5, 1], (0, 7), [0, 1.5], [16, 64], [0, 8], True, [0.8, 1.4], [20, 60])
    assert (camera.resolution, camera.jpeg, camera.grey) == ((16, 64), (20, 60), True)
    assert load(recipe.to_yaml()) == recipe
    assert "resolution: [16, 64]" in recipe.to_yaml()


@pytest.mark.parametrize(
    ("camera", "draws"),
    [
        ({"grey": True}, True),
        ({"grey": 0.5}, True),
        ({"jpeg": [90, 90]}, True),
        ({"grey": False}, False),
        ({"mask": 0}, False),
    ],
)
def test_a_camera_is_a_random_change_unless_it_never_acts(camera, draws):
    assert Camera(**camera).draws == draws
    assert Augment(camera=camera).draws == draws
    if draws:
        assert Augment(camera=camera, views=3).views == 3
    else:
        with pytest.raises(RecipeError, match="all views would be the same"):
            Augment(camera=camera, views=3)


def test_a_silent_recipe_has_no_camera_and_is_written_as_before():
    assert Augment().camera is None
    assert "camera" not in Augment(random_flip=True).to_value()


def test_a_camera_in_the_cache_needs_views():
    text = GOOD.replace("runs/r", "runs/r\naugment: {camera: {grey: true}}\ncache: disk")
    assert problems(text) == (
        "x.yaml:4 cache: found 'disk', but augment draws each image anew; set cache: auto, or give augment.views",
    )
