"""Figures of pairs whose second image is perturbed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import UserError
from finetune.images import PERTURBATIONS, Perturbation
from finetune.recipe import LFW
from finetune.verification.pairs import ImagePairs
from finetune.verification.robustness import choose_perturbations, measure_perturbed
from finetune.verification.sets import PairSet, measure_sets

PEOPLE, SIZE = 40, 8


def pair_set(flip: bool = False) -> PairSet:
    """Make pairs of two images per person, in which the first images of some pairs are the second ones of others."""
    paths = tuple(Path(f"faces/{person}/{person}_{number}.png") for person in range(PEOPLE) for number in (1, 2))
    person = np.arange(PEOPLE)
    index1 = np.concatenate([2 * person, 2 * person + 1])
    index2 = np.concatenate([2 * person + 1, 2 * ((person + 1) % PEOPLE)])
    pairs = ImagePairs(paths, index1, index2, np.arange(2 * PEOPLE) < PEOPLE, n_folds=4)
    return PairSet("lfw", LFW(dir="faces", pairs="pairs.txt", flip=flip), pairs)


class Embedding:
    """Embedding of made-up images: a colour per person, which a change of the pixels reaches."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Path, ...], bool]] = []

    def __call__(self, paths, /, *, flip, change=None) -> np.ndarray:
        self.calls.append((tuple(paths), change is not None))
        rows = []
        for path in paths:
            person, number = map(int, path.stem.split("_"))
            noise = np.random.default_rng(number).integers(0, 9, [SIZE, SIZE, 3])
            pixels = (np.random.default_rng(100 + person).integers(9, 240, 3) + noise).astype(np.uint8)
            pixels = pixels if change is None else change(pixels)
            row = pixels.mean((0, 1)) - 120.1
            rows.append(np.tile(row / np.linalg.norm(row), 2 if flip else 1))
        return np.array(rows, np.float32)


NOTHING = Perturbation("nothing", "level", (0, 1), lambda pixels, level: pixels)


def faded(pixels: np.ndarray, share: float) -> np.ndarray:
    """Return an image mixed with a colour that depends on its content, but not on its person's colour alone."""
    color = np.random.default_rng(int(pixels.sum())).integers(0, 256, 3)
    return np.rint(pixels * (1 - share) + share * color).astype(np.uint8)


FADED = Perturbation("faded", "share", (0.0, 0.5, 1.0), faded)


def test_pairs_that_name_their_people_are_perturbed_too():
    one = pair_set()
    people = tuple(path.parent.name for path in one.pairs.paths)
    named = dataclasses.replace(one.pairs, people=people, names=tuple(path.name for path in one.pairs.paths), n_folds=1)
    found = measure_perturbed(Embedding(), dataclasses.replace(one, pairs=named), [NOTHING], SIZE)
    assert [level.result for level in found.curves[0].levels] == [found.clean] * 2


@pytest.mark.parametrize("flip", [False, True])
def test_a_level_that_changes_nothing_gives_the_plain_result_exactly(flip):
    one = pair_set(flip)
    plain = measure_sets(Embedding(), [one])["lfw"]
    found = measure_perturbed(Embedding(), one, [NOTHING], SIZE)
    assert found.clean == plain
    for level in found.curves[0].levels:
        assert level.result == plain
        assert (level.difference.accuracy, level.difference.gained, level.difference.lost) == (0, 0, 0)
        assert level.at_clean_threshold == pytest.approx(np.mean((plain.distances < plain.threshold) == plain.is_same))


def test_the_second_image_alone_is_perturbed_and_clean_images_are_embedded_once():
    one, embed = pair_set(), Embedding()
    measure_perturbed(embed, one, [NOTHING, FADED], SIZE)
    clean, *changed = embed.calls
    assert clean == (one.pairs.paths, False)
    assert len(changed) == 5
    second = {one.pairs.paths[row] for row in one.pairs.index2}
    assert all(was_changed and set(paths) == second and len(paths) == len(second) for paths, was_changed in changed)


def test_what_hides_the_faces_costs_accuracy_and_the_json_says_so():
    found = measure_perturbed(Embedding(), pair_set(), [FADED], SIZE)
    first, _, last = found.curves[0].levels
    assert first.result.accuracy == found.clean.accuracy
    assert last.result.accuracy < found.clean.accuracy
    assert last.difference.high < 0
    stored = found.to_json()["faded"]
    assert stored["unit"] == "share"
    assert [level["level"] for level in stored["levels"]] == [0.0, 0.5, 1.0]
    assert stored["levels"][-1]["difference"] == last.result.accuracy - found.clean.accuracy
    assert set(stored["levels"][0]) >= {"accuracy", "val", "low", "high", "at_clean_threshold"}


def test_names_choose_perturbations_in_their_order_and_all_stands_for_every_one():
    assert [one.name for one in choose_perturbations("jpeg, blur,jpeg")] == ["jpeg", "blur"]
    assert choose_perturbations("all") == list(PERTURBATIONS.values())


def test_every_wrong_name_is_told_with_those_that_exist():
    with pytest.raises(UserError) as caught:
        choose_perturbations("blurr,mask,,noise")
    known = ", ".join(PERTURBATIONS)
    assert str(caught.value).splitlines() == [
        f"--perturb: found 'blurr'; did you mean 'blur'?; choose among {known}, or all",
        f"--perturb: found ''; choose among {known}, or all",
        f"--perturb: found 'noise'; choose among {known}, or all",
    ]
