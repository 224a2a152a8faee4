"""Templates are pooled and verified as an independent computation says."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.verification.template_lists import TemplatePairs, Templates
from finetune.verification.templates import pool, possible_fars, refuse_few_pairs, template_pairs, verify_templates


def drawn(seed: int = 0, templates: int = 30) -> tuple[np.ndarray, Templates]:
    """Return unit embeddings of images, and their templates of one to three media with one to four images each."""
    generator = np.random.default_rng(seed)
    lines = [
        (template, 10 * template + media)
        for template in range(templates)
        for media in range(generator.integers(1, 4))
        for _ in range(generator.integers(1, 5))
    ]
    generator.shuffle(lines)
    own, media = np.array(lines).T
    rows = generator.normal(size=[len(lines), 8]) + 2 * np.eye(8)[own % 6]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    images = tuple(f"{n}.jpg" for n in range(len(lines)))
    return rows.astype(np.float32), Templates(images, tuple(map(str, range(templates))), own, media)


def pooled_by_hand(rows: np.ndarray, templates: Templates) -> np.ndarray:
    """Compute each template by loops: the mean of each media's images, their sum, and its direction."""
    result = []
    for template in range(len(templates.names)):
        own = [(m, row) for t, m, row in zip(templates.templates, templates.media, rows, strict=True) if t == template]
        total = sum(
            np.mean([row for m, row in own if m == media], axis=0, dtype=float) for media in {m for m, _ in own}
        )
        result.append(total / np.sqrt(total @ total))
    return np.array(result)


def test_media_are_averaged_and_their_means_summed():
    rows, templates = drawn()
    np.testing.assert_allclose(pool(rows, templates), pooled_by_hand(rows, templates), atol=1e-12)


def test_a_video_counts_as_much_as_a_photo():
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    templates = Templates(("a", "b", "c", "d"), ("7",), np.zeros(4, int), np.array([5, 5, 5, 6]))
    np.testing.assert_allclose(pool(rows, templates), [[np.sqrt(0.5)] * 2])


def test_the_same_media_in_two_templates_is_averaged_in_each():
    rows = np.eye(3, dtype=np.float32)
    templates = Templates(("a", "b", "c"), ("7", "8"), np.array([0, 0, 1]), np.array([1, 1, 1]))
    np.testing.assert_allclose(pool(rows, templates), [[np.sqrt(0.5), np.sqrt(0.5), 0], [0, 0, 1]])


def test_the_verification_equals_an_independent_computation():
    rows, templates = drawn(1)
    first, second = (index.ravel() for index in np.triu_indices(30, 1))
    same = first % 6 == second % 6
    pairs = template_pairs(templates, TemplatePairs(tuple(map(str, first)), tuple(map(str, second)), same), "pairs")
    fars = possible_fars(pairs)
    assert fars == (1e-2,)  # 375 pairs of two people
    result = verify_templates(pool(rows, templates), pairs, (0.1, *fars))
    by_hand = pooled_by_hand(rows, templates)
    cosines = np.array([by_hand[i] @ by_hand[j] for i, j in zip(first, second, strict=True)])
    of_two = np.sort(cosines[~same])[::-1]
    for rate in result.rates:
        bound = of_two[int(rate.far_target * len(of_two) + 1e-9)]  # pairs that are no more similar are not accepted
        assert rate.val == np.mean(cosines[same] > bound + 1e-12)
        assert rate.far == np.mean(cosines[~same] > bound + 1e-12) <= rate.far_target
        assert rate.threshold == pytest.approx(2 - 2 * bound)
        assert rate.low < rate.val < rate.high
    assert (result.val, result.far_target) == (result.rates[0].val, 0.1)
    assert result.lines()[1:3] == [
        f"Validation rate: {rate.val:.5f} @ FAR={rate.far_target:g}" for rate in result.rates
    ]
    assert type(result).from_json(result.to_json()) == result


@pytest.mark.parametrize(
    ("same", "fars", "message"),
    [
        ([True, False, False], (0.5, 0.1), "pairs: 2 pairs of two people can't tell a false accept rate of 0.1"),
        ([True, False, False], None, "pairs: 2 pairs of two people can't tell a false accept rate of 0.01"),
        ([True, True, True], None, "pairs: found 3 pairs of one person and 0 of two; give both"),
    ],
)
def test_pairs_that_are_too_few_for_a_rate_are_refused(same, fars, message):
    _, templates = drawn()
    named = TemplatePairs(("0", "1", "2"), ("3", "4", "5"), np.array(same))
    with pytest.raises(DataError) as refused:
        refuse_few_pairs(template_pairs(templates, named, "pairs"), fars, "pairs")
    assert str(refused.value).startswith(message)
