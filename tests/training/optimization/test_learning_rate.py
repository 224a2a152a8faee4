"""Each form of the learning rate agrees with the mathematics and with the published files' meaning."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.errors import RecipeError
from finetune.recipe.stage import Stage
from finetune.training.optimization.learning_rate import LearningRate

ROOT = Path(__file__).resolve().parents[3]
RATES = st.floats(1e-8, 10)


def learning_rate(value: object) -> LearningRate:
    return Stage("s", train_from="Logits", epochs=1, learning_rate=value).learning_rate


def rates(value: object, epochs: int) -> list[float | None]:
    found = learning_rate(value)
    return [found.rate(epoch, epochs) for epoch in range(1, epochs + 1)]


def test_a_number_is_the_rate_of_every_epoch():
    assert rates(0.01, 3) == [0.01, 0.01, 0.01]


def test_steps_hold_from_their_epoch_until_the_next():
    assert rates({0: 0.5, 3: 0.25, 5: 0.125}, 6) == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_steps_may_begin_at_epoch_1_and_come_in_any_order():
    assert rates({3: 0.25, 1: 0.5}, 3) == [0.5, 0.5, 0.25]


@given(st.dictionaries(st.integers(2, 40), RATES, max_size=6), RATES, st.integers(1, 50))
def test_the_rate_is_that_of_the_last_step_passed(later: dict[int, float], first: float, epoch: int):
    expected = first
    for key in range(epoch + 1):
        expected = later.get(key, expected)
    assert learning_rate({1: first, **later}).rate(epoch, 50) == expected


def test_exponential_decay_falls_every_so_many_epochs():
    value = {"schedule": "exponential", "initial": 0.8, "decay": 0.5, "every": 2}
    assert rates(value, 5) == [0.8, 0.8, 0.4, 0.4, 0.2]


@given(st.integers(1, 100), RATES)
def test_cosine_begins_at_initial_and_sums_to_its_mean(epochs: int, initial: float):
    found = rates({"schedule": "cosine", "initial": initial}, epochs)
    assert found[0] == initial
    assert all(later < earlier for earlier, later in pairwise(found))
    assert min(found) > 0
    # The cosines of equally spaced angles in [0, pi) sum to 1.
    assert math.isclose(sum(found), initial * (epochs + 1) / 2)


def test_cosine_ends_above_its_final_rate():
    found = rates({"schedule": "cosine", "initial": 0.3, "final": 0.1}, 4)
    assert found == pytest.approx([0.3, 0.2 + 0.1 / math.sqrt(2), 0.2, 0.2 - 0.1 / math.sqrt(2)])


def test_a_file_holds_steps_with_comments_and_a_stop(tmp_path: Path):
    path = tmp_path / "schedule.txt"
    path.write_text("\ufeff# rates\n0:  0.5  # first\n\n 3 : 5e-2\n5: -\n7: 0.1\n", encoding="utf-8")
    assert rates({"file": path}, 7) == [0.5, 0.5, 0.05, 0.05, None, None, None]


@pytest.mark.parametrize("stop", ["-", "0", "-1", "-0.5"])
def test_a_file_stops_at_a_rate_that_is_not_above_0(tmp_path: Path, stop: str):
    (tmp_path / "schedule.txt").write_text(f"0: 0.5\n2: {stop}", encoding="utf-8")
    assert rates({"file": str(tmp_path / "schedule.txt")}, 2) == [0.5, None]


@pytest.mark.parametrize(
    ("name", "boundaries"),
    [
        (
            "schedule_classifier_casia",
            {1: 0.05, 59: 0.05, 60: 0.005, 79: 0.005, 80: 0.0005, 90: 0.0005, 91: None, 500: None},
        ),
        (
            "schedule_classifier_msceleb",
            {1: 0.1, 149: 0.1, 150: 0.01, 179: 0.01, 180: 0.001, 250: 0.001, 251: 0.0001, 500: 0.0001},
        ),
        (
            "schedule_classifier_vggface2",
            {1: 0.05, 99: 0.05, 100: 0.005, 199: 0.005, 200: 0.0005, 275: 0.0005, 276: None, 500: None},
        ),
        (
            "retrain_tripletloss",
            {1: 0.1, 299: 0.1, 300: 0.01, 399: 0.01, 400: 0.001, 999: 0.001, 1000: 0.0001, 2000: 0.0001},
        ),
    ],
)
def test_the_published_schedules_are_shipped(
    name: str, boundaries: dict[int, float | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    schedule = learning_rate({"file": f"data/learning_rate_{name}.txt"})
    assert {epoch: schedule.rate(epoch, 2000) for epoch in boundaries} == boundaries


BAD_FILES = {
    "a word": ("0: 0.1\nlater: 0.01\n", [":2: found 'later: 0.01'; write a whole epoch from 0 and a rate"]),
    "no colon": ("0 0.1", [":1: found '0 0.1'; write"]),
    "no rate": ("0:", [":1: found '0:'; write"]),
    "not a number": ("0: nan", [":1: found '0: nan'; write"]),
    "infinite": ("0: inf", [":1: found '0: inf'; write"]),
    "negative epoch": ("-1: 0.1", [":1: found '-1: 0.1'; write"]),
    "huge epoch": (f"{'9' * 5000}: 0.1", [":1: found "]),
    "half an epoch": ("0: 1\n1.5: 0.1", [":2: found '1.5: 0.1'; write"]),
    "descending": ("0: 1\n5: 0.1\n3: 0.2", [":3: epoch 3 comes after epoch 5; put the epochs in ascending order"]),
    "twice": ("0: 1\n0: 2", [":2: epoch 0 comes after epoch 0"]),
    "every problem": ("x\n0: 1\ny", [":1: found 'x'", ":3: found 'y'"]),
    "late start": ("2: 0.1", [": no rate for epoch 1; begin with a line such as '0: 0.05'"]),
    "empty": ("# nothing\n", [": no rate for epoch 1"]),
    "stops at once": ("0: -", [": stops before epoch 1, so that nothing would train"]),
    "stops before it starts": ("0: -\n1: 0.1", [": stops before epoch 1"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_told_by_its_lines(case: str, tmp_path: Path):
    content, expected = BAD_FILES[case]
    path = tmp_path / "schedule.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        learning_rate({"file": path})
    assert len(caught.value.problems) == len(expected)
    for line, start in zip(map(str, caught.value.problems), expected, strict=True):
        assert line.startswith(f"Stage('s').learning_rate.file: {path}{start}")


def test_a_file_that_is_no_text_is_told(tmp_path: Path):
    path = tmp_path / "schedule.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is not a text file; give a file of `epoch: rate` lines"):
        learning_rate({"file": path})


@pytest.mark.parametrize(
    "value",
    [
        0.01,
        {0: 0.005, 6: 0.0005},
        {"schedule": "exponential", "initial": 0.1, "decay": 0.9, "every": 4},
        {"schedule": "cosine", "initial": 0.1, "final": 0.01},
        {0: 0.05, 3: 0.005, 7: "-"},
    ],
)
def test_each_form_is_written_back_as_it_was(value: object):
    assert learning_rate(value).to_value() == value


@pytest.mark.parametrize("value", [{2: 0.1}, {2: 0.1, 5: 0.01}])
def test_steps_without_one_for_the_first_epoch_are_refused(value: dict[int, float]):
    with pytest.raises(RecipeError, match="the first step is epoch 2; give a rate for epoch 1, or 0, too"):
        learning_rate(value)


def test_an_epoch_of_a_file_has_nine_digits_at_most(tmp_path: Path):
    path = tmp_path / "schedule.txt"
    path.write_text("0: 0.1\n999999999: 0.01\n", encoding="utf-8")
    assert learning_rate({"file": path}).rate(999_999_999, 10**9) == 0.01
    path.write_text("0: 0.1\n1000000000: 0.01\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"found '1000000000: 0\.01'; write a whole epoch"):
        learning_rate({"file": path})


def test_a_file_may_begin_at_epoch_1(tmp_path: Path):
    path = tmp_path / "schedule.txt"
    path.write_text("1: 0.5\n2: 0.25\n", encoding="utf-8")
    assert rates({"file": path}, 2) == [0.5, 0.25]
    path.write_text("1: -\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="stops before epoch 1"):
        learning_rate({"file": path})


def test_of_a_file_the_steps_are_written_back_and_give_the_rates_of_the_file_without_it(tmp_path: Path):
    path = tmp_path / "schedule.txt"
    path.write_text("# rates\n0: 1e-1\n3: 0.0123456789012345678  # exact\n5: 0\n9: 0.1\n", encoding="utf-8")
    value = learning_rate({"file": path}).to_value()
    expected = rates({"file": path}, 12)
    path.unlink()
    assert value == {0: 0.1, 3: 0.0123456789012345678, 5: "-", 9: 0.1}
    assert rates(value, 12) == expected


@pytest.mark.parametrize(
    ("value", "epochs", "last"),
    [
        ({0: 0.1, 4: "-"}, 10, 3),
        ({0: 0.1, 4: "-", 6: 0.2}, 10, 3),
        ({0: 0.1, 11: "-"}, 10, 10),
        ({1: 0.1, 2: "-"}, 1, 1),
        (0.1, 7, 7),
        ({"schedule": "cosine", "initial": 0.1}, 7, 7),
    ],
)
def test_a_stop_ends_the_epochs_before_it(value: object, epochs: int, last: int):
    assert learning_rate(value).last_epoch(epochs) == last
    assert [rate is None for rate in rates(value, epochs)] == [False] * last + [True] * (epochs - last)


@pytest.mark.parametrize("value", [{0: "-"}, {0: 0.1, 1: "-"}])
def test_steps_that_stop_before_the_first_epoch_are_refused(value: object):
    with pytest.raises(RecipeError, match="stops before epoch 1, so that nothing would train; give epoch 1 a rate"):
        learning_rate(value)


@pytest.mark.parametrize("rate", [0, -1, "stop", None])
def test_only_a_minus_sign_stops(rate: object):
    with pytest.raises(RecipeError, match=r"learning_rate\[3\]: found .*; give a number above 0, or '-' to stop"):
        learning_rate({0: 0.1, 3: rate})
