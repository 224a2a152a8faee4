"""The classifiers equal plain formulas, and equal a fit of everything when photos are added."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from finetune.errors import DataError
from finetune.gallery.classifier_cache import fitted_svm
from finetune.gallery.classifiers import NAMES, KNearest, SoftmaxHead, few_photos, make
from finetune.gallery.prototypes import NOBODY, NearestPrototype, two_best
from finetune.gallery.svm import LinearSVM, PublishedSVM
from tests.gallery.conftest import CONTRACT, gallery, photos, vectors

LABELS = np.repeat(np.arange(6), 5)
ROWS = vectors(LABELS, spread=0.8)
PROBES = vectors(LABELS, spread=0.8, seed=1)


def plain_prototypes(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    means = np.array([rows[labels == label].astype(np.float64).mean(0) for label in np.unique(labels)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.filterwarnings("error")  # scikit-learn's too: a user would see one per person
@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_names_people_and_says_who_comes_next(name):
    classifier = make(name, 6)
    classifier.fit(ROWS, LABELS)
    best = classifier.best(PROBES)
    assert (best.labels[:, 0] == LABELS).mean() > 0.9
    assert (best.labels[:, 0] != best.labels[:, 1]).all()
    assert (best.scores[:, 0] >= best.scores[:, 1]).all()
    np.testing.assert_array_equal(classifier.classes_, np.arange(6))
    np.testing.assert_array_equal(classifier.predict(PROBES), best.labels[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_of_all_people_hold_the_best_two(name):
    classifier = make(name, 6)
    classifier.fit(ROWS, LABELS)
    scores, best = classifier.scores(PROBES), classifier.best(PROBES)
    assert scores.shape == (len(PROBES), 6)
    found = two_best(scores, classifier.classes_)
    np.testing.assert_array_equal(found.labels[:, 0], best.labels[:, 0])
    seen = best.labels[:, 1] != NOBODY
    np.testing.assert_allclose(found.scores[seen], best.scores[seen], atol=1e-6)
    np.testing.assert_array_equal(found.scores[~seen, 1], 0)  # nobody else has a photo among the neighbours


@settings(max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=25), st.data())
def test_prototypes_are_the_same_whatever_the_order_of_enrolment(labels, data):
    labels = np.array(labels)
    rows = vectors(labels, seed=len(labels))
    order = np.array(data.draw(st.permutations(range(len(labels)))))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(labels) - 1), max_size=3)))
    grown = NearestPrototype()
    for part in np.split(order, cuts):
        if len(part):
            grown.partial_fit(rows[part], labels[part])
    whole = NearestPrototype().fit(rows, labels)
    np.testing.assert_array_equal(grown.classes_, np.unique(labels))
    np.testing.assert_allclose(grown.prototypes_, plain_prototypes(rows, labels), atol=1e-6)
    np.testing.assert_allclose(grown.prototypes_, whole.prototypes_, atol=1e-6)


def test_the_scores_of_prototypes_are_similarities_to_them():
    classifier = NearestPrototype().fit(ROWS, LABELS)
    best = classifier.best(PROBES)
    similarities = PROBES.astype(np.float64) @ plain_prototypes(ROWS, LABELS).T
    np.testing.assert_allclose(best.scores, -np.sort(-similarities, 1)[:, :2], atol=1e-6)
    np.testing.assert_array_equal(best.labels, np.argsort(-similarities, 1)[:, :2])


def test_of_one_person_there_is_no_runner_up():
    best = NearestPrototype().fit(ROWS[:5], LABELS[:5]).best(PROBES)
    assert (best.labels[:, 1] == NOBODY).all()
    assert np.isneginf(best.scores[:, 1]).all()


def test_left_out_photos_score_as_if_they_had_not_been_there():
    labels = np.concatenate([LABELS, [6]])
    rows = np.concatenate([ROWS, vectors([6])])
    grown = NearestPrototype().fit(rows[:11], labels[:11]).partial_fit(rows[11:], labels[11:])
    own, (others, scores) = grown.own_left_out(rows, labels), grown.nearest_other(rows, labels)
    for row, label in enumerate(labels):
        rest = np.arange(len(rows)) != row
        without = NearestPrototype().fit(rows[rest], labels[rest])
        theirs = dict(zip(without.classes_.tolist(), without.decision_function(rows[[row]])[0], strict=True))
        assert own[row] == pytest.approx(theirs.get(label, -np.inf), abs=1e-6)
        stranger = labels != label
        best = NearestPrototype().fit(rows[stranger], labels[stranger]).best(rows[[row]])
        assert (others[row], scores[row]) == (best.labels[0, 0], pytest.approx(best.scores[0, 0], abs=1e-6))


def test_one_person_alone_resembles_nobody_else():
    others, scores = NearestPrototype().fit(ROWS[:5], LABELS[:5]).nearest_other(ROWS[:5], LABELS[:5])
    assert others.tolist() == [NOBODY] * 5
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("k", [1, 3, 7])
def test_k_nearest_vote_as_scikit_learn_does(k):
    rows, probes = vectors(LABELS, spread=2), vectors(LABELS, spread=2, seed=5)
    theirs = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d: np.maximum(1 - d, 0))
    expected = theirs.fit(rows, LABELS).predict_proba(probes)
    best = KNearest(k).fit(rows, LABELS).best(probes)
    similarities = np.sort(probes.astype(np.float64) @ rows.T.astype(np.float64), 1)[:, -k:]
    votes = expected * np.maximum(similarities, 0).sum(1, keepdims=True) / k
    np.testing.assert_allclose(best.scores[:, 0], votes.max(1), atol=1e-6)
    np.testing.assert_array_equal(best.labels[:, 0], votes.argmax(1))
    second = np.sort(votes, 1)[:, -2]
    np.testing.assert_allclose(np.where(best.labels[:, 1] == NOBODY, 0, best.scores[:, 1]), second, atol=1e-6)


def test_one_against_the_rest_is_scikit_learns_for_each_person():
    svm = LinearSVM(C=2.0).fit(ROWS, LABELS)
    for label in range(6):
        alone = LinearSVC(C=2.0, dual=False).fit(ROWS.astype(np.float64), label == LABELS)
        np.testing.assert_array_equal(svm.coef_[label], alone.coef_[0])
        assert svm.intercept_[label] == alone.intercept_[0]


def test_fits_are_the_same_bytes_with_any_number_of_threads(monkeypatch):
    """Fit fewer photos than embedding values, where scikit-learn itself would choose liblinear's dual solver."""
    labels = np.repeat(np.arange(24), 5)
    rows = vectors(labels, 256, spread=1.5)
    fits = []
    for threads in (1, 2, 8, 8, 8):
        monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
        fits.append(LinearSVM().fit(rows, labels))
    for fit in fits[1:]:
        np.testing.assert_array_equal(fit.coef_, fits[0].coef_)
        np.testing.assert_array_equal(fit.intercept_, fits[0].intercept_)
    dual = LinearSVC(dual=True, random_state=0, tol=1e-6).fit(rows.astype(np.float64), labels == 3)
    np.testing.assert_allclose(fits[0].coef_[3], dual.coef_[0], atol=1e-3)  # one minimum


@pytest.mark.parametrize("name", ["logistic", "svc"])
def test_other_classifiers_are_the_same_bytes_each_time(name):
    labels = np.repeat(np.arange(24), 5)
    rows = vectors(labels, 256, spread=1.5)
    first, again = (make(name, 24).fit(rows, labels) for _ in range(2))
    np.testing.assert_array_equal(first.best(rows).scores, again.best(rows).scores)


@pytest.mark.parametrize("spread", [0.2, 0.8, 1.5])
@pytest.mark.parametrize(("slack_weight", "tolerance"), [(1.0, 0.02), (1.0, 0.3), (30.0, 0.3)])
def test_adding_people_stays_within_the_tolerance_of_training_everything_again(spread, slack_weight, tolerance):
    labels = np.repeat(np.arange(12), 6)
    rows = vectors(labels, 64, spread)
    grown = LinearSVM(C=slack_weight, tolerance=tolerance).fit(rows[:36], labels[:36])
    trained = []
    for person in range(6, 12):
        grown.partial_fit(rows[labels == person], labels[labels == person])
        trained.append(grown.retrained_)
        now = labels <= person
        whole = LinearSVM(C=slack_weight).fit(rows[now], labels[now])
        difference = np.abs(grown.decision_function(rows[now]) - whole.decision_function(rows[now])).max()
        assert difference <= tolerance + 0.01  # what liblinear leaves
    assert all(count >= 1 for count in trained)


def test_people_may_be_added_to_an_svm_that_has_none_yet():
    svm = LinearSVM()
    assert svm.partial_fit(ROWS, LABELS) is svm
    np.testing.assert_array_equal(svm.coef_, LinearSVM().fit(ROWS, LABELS).coef_)


def test_the_published_svm_is_said_to_need_more_photos_where_somebody_has_fewer_than_its_folds():
    assert few_photos("svc", np.repeat([0, 1], [5, 9])) is None
    assert few_photos("svm", np.repeat([0, 1], [4, 9])) is None
    said = few_photos("svc", np.repeat([0, 1], [9, 4]))
    assert said is not None
    assert said.startswith("svc: somebody has 4 of the 5 photos that its probabilities need")


def test_an_svm_whose_margin_no_new_photo_comes_near_is_left_as_it_is():
    rows, labels = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.9, 0.1]]), np.array([0, 0, 1, 1])
    svm = LinearSVM(C=100, tolerance=0).fit(rows, labels)
    new = np.array([[-1.5, 0.2], [-1.6, -0.2]])
    assert svm.decision_function(new)[:, 0].max() < -1  # beyond the margin of the one, within the other's half
    before = svm.coef_[0].copy()
    svm.partial_fit(new, np.array([2, 2]))
    assert svm.retrained_ == 2
    np.testing.assert_array_equal(svm.coef_[0], before)
    whole = LinearSVM(C=100).fit(np.concatenate([rows, new]), np.array([0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(svm.coef_, whole.coef_, atol=0.01)


def test_a_new_photo_of_a_known_person_counts_against_their_own_svm():
    svm = LinearSVM(tolerance=0.01).fit(ROWS, LABELS)
    odd = -ROWS[:1]
    svm.partial_fit(odd, LABELS[:1])
    whole = LinearSVM().fit(np.concatenate([ROWS, odd]), np.concatenate([LABELS, LABELS[:1]]))
    np.testing.assert_allclose(svm.decision_function(ROWS), whole.decision_function(ROWS), atol=0.02)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_published_svm_is_scikit_learns_named_by_probability():
    theirs = SVC(kernel="linear", probability=True, random_state=3).fit(ROWS, LABELS)
    ours = PublishedSVM(3).fit(ROWS, LABELS)
    np.testing.assert_array_equal(ours.predict_proba(PROBES), theirs.predict_proba(PROBES))
    np.testing.assert_array_equal(ours.predict(PROBES), theirs.predict_proba(PROBES).argmax(1))


def test_the_softmax_head_gives_probabilities_of_prelogits():
    generator = np.random.default_rng(0)
    weights, biases, prelogits = (generator.normal(size=size) for size in ([16, 5], [5], [7, 16]))
    best = SoftmaxHead(weights, biases).best(prelogits)
    expected = np.exp(prelogits @ weights + biases)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(best.scores[:, 0], expected.max(1), rtol=1e-12)
    np.testing.assert_array_equal(best.labels[:, 0], expected.argmax(1))


def test_the_two_best_of_scores():
    best = two_best(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 1.0]]), np.array([10, 20, 30]))
    assert best.labels.tolist() == [[20, 30], [10, 20]]
    assert best.scores.tolist() == [[3, 2], [5, 5]]


@pytest.mark.parametrize("name", ["svm", "logistic", "svc"])
def test_one_person_alone_can_not_be_told_apart(name):
    with pytest.raises(DataError, match=f"^{name}: tells two people or more apart, and there is one; use prototype"):
        make(name, 1)


def test_too_many_people_for_one_against_one():
    with pytest.raises(DataError, match=r"^svc: one SVM for each two of 501 people is too many; use svm"):
        make("svc", 501)


@pytest.fixture
def trainings(monkeypatch):
    """Record the number of SVMs that each training trains."""
    counts = []
    train = LinearSVM._train

    def counted(self, places):
        counts.append(len(places))
        train(self, places)

    monkeypatch.setattr(LinearSVM, "_train", counted)
    return counts


def test_kept_svms_are_taken_up_and_people_added_to_them(tmp_path, monkeypatch, trainings):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "features"))
    found = gallery(people=8, each=6, size=64)
    path = tmp_path / "g.h5"
    first = fitted_svm(found, path)
    np.testing.assert_array_equal(fitted_svm(found, path).coef_, first.coef_)
    assert trainings == [8]
    more = found.add(["late"] * 4, photos(vectors([30] * 4, 64), seed=5))
    grown = fitted_svm(more, path)
    assert trainings[1] < 9
    np.testing.assert_allclose(
        grown.decision_function(more.embeddings),
        LinearSVM().fit(more.embeddings, more.labels).decision_function(more.embeddings),
        atol=0.06,
    )
    del trainings[:]
    for changed in (more.rename("late", "early"), more.merge("late", "person 0"), more.remove("person 3")):
        fitted_svm(changed, path)
        assert trainings.pop() == len(changed.people)
    (kept,) = (tmp_path / "classifiers").iterdir()
    kept.write_bytes(b"PK damaged")
    fitted_svm(found, path)
    assert trainings == [8]


def test_the_same_photos_by_another_checkpoint_do_not_take_up_kept_svms(tmp_path, monkeypatch, trainings):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "features"))
    found = gallery(people=4, size=16)
    fitted_svm(found, tmp_path / "g.h5")
    turned = dataclasses.replace(found.photos, embeddings=np.ascontiguousarray(found.embeddings[:, ::-1]))
    other = dataclasses.replace(found, photos=turned)
    np.testing.assert_array_equal(other.photos.digests, found.photos.digests)
    svm = fitted_svm(other, tmp_path / "g.h5")
    assert trainings == [4, 4]
    np.testing.assert_array_equal(svm.coef_, LinearSVM().fit(other.embeddings, other.labels).coef_)


def test_a_gallery_of_another_size_does_not_take_up_kept_svms(tmp_path, monkeypatch, trainings):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "features"))
    fitted_svm(gallery(people=4, size=16), tmp_path / "g.h5")
    other = gallery(people=4, size=32)
    assert fitted_svm(other, tmp_path / "g.h5").coef_.shape == (4, 32)
    assert trainings == [4, 4]
    assert other.contract == CONTRACT
