"""The identity of each face, for drawn embeddings of known people, with figures worked out one by one."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.doctor import identities


def drawn(people: int, images: int, spread: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Draw embeddings around random centres, float32 [people * images, 64], and return them with their labels."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    centres = draw.normal(size=[people, 64])
    rows = centres[labels] + spread * draw.normal(size=[len(labels), 64])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_swapped_labels_are_found_and_little_else(share: float):
    right = found = planted = 0
    for seed in range(20):
        embeddings, truth = drawn(40, 10, 0.8, seed)
        draw = np.random.default_rng(seed)
        swapped = draw.choice(len(truth), int(share * len(truth)), replace=False)
        labels = truth.copy()
        labels[swapped] = (truth[swapped] + draw.integers(1, 40, len(swapped))) % 40
        judged = identities.check_identities(identities.centred(embeddings), labels)
        hits = [row for row in judged.mislabelled if row in swapped]
        assert (judged.nearest[hits] == truth[hits]).all()
        right, found, planted = right + len(hits), found + len(judged.mislabelled), planted + len(swapped)
    assert right >= 0.8 * planted
    assert right >= 0.8 * found


def test_where_nobody_is_mislabelled_nobody_is_found():
    embeddings, labels = drawn(40, 10, 0.8)
    assert identities.check_identities(identities.centred(embeddings), labels).mislabelled.size == 0


def test_an_image_is_measured_by_its_person_s_other_images():
    embeddings, labels = drawn(5, 6, 0.3)
    x = identities.centred(embeddings)
    judged = identities.check_identities(x, labels)
    for row in range(len(labels)):
        others = [x[i] for i in range(len(labels)) if labels[i] == labels[row] and i != row]
        means = {label: x[labels == label].mean(0) for label in range(5) if label != labels[row]}
        cosines = {label: x[row] @ mean / np.linalg.norm(mean) for label, mean in means.items()}
        own = np.mean(others, axis=0)
        assert judged.own[row] == pytest.approx(x[row] @ own / np.linalg.norm(own))
        assert judged.other[row] == pytest.approx(max(cosines.values()))
        assert judged.nearest[row] == max(cosines, key=cosines.__getitem__)


def test_an_intruder_does_not_draw_the_centre_to_itself():
    embeddings, labels = drawn(6, 5, 0.2)
    labels[5] = 0  # an image of person 1 under person 0's name, where 5 are right
    x = identities.centred(embeddings)
    judged = identities.check_identities(x, labels)
    clean = x[:5].mean(0)
    centre = identities.centres(x, labels, judged, 6)[0]
    assert centre @ clean / np.linalg.norm(clean) == pytest.approx(1)


def test_people_with_few_images_are_not_judged():
    embeddings, labels = drawn(8, 10, 0.5)
    keep = (labels > 2) | (np.arange(80) % 10 < 3)  # three images of people 0, 1 and 2
    judged = identities.check_identities(identities.centred(embeddings[keep]), labels[keep])
    assert np.isnan(judged.own[labels[keep] <= 2]).all()
    assert not np.isnan(judged.own[labels[keep] > 2]).any()
    alone = identities.check_identities(identities.centred(embeddings[:10]), labels[:10])
    assert (alone.mislabelled.size, alone.threshold) == (0, np.inf)


def test_a_person_in_two_folders_is_found_and_hardly_anybody_else():
    others = 0
    for seed in range(20):
        embeddings, labels = drawn(30, 12, 0.8, seed)
        twins = {(person, 30 + person) for person in range(4)}
        for person, other in twins:
            labels[np.flatnonzero(labels == person)[::2]] = other
        x = identities.centred(embeddings)
        found = {
            (a, b)
            for a, b, _ in identities.alike(identities.centres(x, labels, identities.check_identities(x, labels), 34))
        }
        assert found >= twins
        others += len(found - twins)
    assert others <= 0.15 * 20 * len(twins)


def test_between_two_sets_the_same_people_are_found():
    embeddings, labels = drawn(40, 8, 0.8)
    first = np.arange(len(labels)) % 2 == 0
    x = identities.centred(embeddings)
    mine = identities.means(x[first & (labels < 25)], labels[first & (labels < 25)])
    theirs = identities.means(x[~first & (labels >= 20)], labels[~first & (labels >= 20)] - 20)
    found = {(a, b) for a, b, _ in identities.alike(mine, theirs)}
    assert found >= {(20 + i, i) for i in range(5)}
    assert len(found) <= 6


def test_too_few_people_show_no_chance_likeness():
    embeddings, labels = drawn(4, 6, 0.1)
    assert identities.alike(identities.means(identities.centred(embeddings), labels)) == []
