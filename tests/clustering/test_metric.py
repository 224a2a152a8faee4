"""A metric learned from neighbours counts what varies within people less, and is kept with the clusters."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import LedoitWolf

from finetune.clustering import (
    NOWHERE,
    Corrections,
    Earlier,
    Library,
    Metric,
    Settings,
    Stored,
    bcubed,
    cluster_faces,
    correct_clusters,
    estimate_threshold,
    expand,
    find_people,
    learn_metric,
    merging,
    metric as module,
    read_clusters,
    read_faces,
    running,
    write_clusters,
    write_faces,
)
from finetune.errors import DataError
from tests.clustering.conftest import partition, planted
from tests.clustering.test_joining import faces_of
from tests.gallery.conftest import CONTRACT


def nuisance(people: int = 60, each: int = 10, size: int = 64, seed: int = 0):
    """Return faces that vary within a person along a few directions far more than along the others."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(people), each))
    directions = np.linalg.qr(generator.standard_normal([size, 8]))[0]
    rows = generator.standard_normal([people, size])[labels] / size**0.5
    rows += 0.25 * generator.standard_normal([len(labels), size]) / size**0.5
    rows += 0.35 * generator.standard_normal([len(labels), 8]) @ directions.T
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def drawn_metric(size: int) -> Metric:
    half = np.random.default_rng(1).standard_normal([size, size])
    return Metric((half @ half.T + size * np.eye(size)).astype(np.float32))


def test_similarities_are_the_cosines_after_the_map():
    faces, _ = planted(people=4, each=5)
    metric = drawn_metric(faces.shape[1])
    mapped = faces.astype(np.float64) @ metric.matrix.astype(np.float64)
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    np.testing.assert_allclose(metric.rows(faces), mapped, atol=1e-6)
    by_lengths = metric.probes(faces[:3]) @ faces.T / metric.lengths(faces)
    np.testing.assert_allclose(by_lengths, mapped[:3] @ mapped.T, atol=1e-5)


def test_the_plain_metric_changes_no_bit():
    faces, _ = planted()
    plain = Metric()
    assert plain.rows(faces).tobytes() == plain.probes(faces).tobytes() == faces.tobytes()
    assert plain.lengths(faces).tolist() == [1] * len(faces)


def expected_map(faces, step: int = 1):
    """Return the inverse root of the shrunk covariance of the differences of each step-th face's neighbours."""
    similar = faces.astype(np.float64) @ faces.T
    np.fill_diagonal(similar, -2)
    near = np.argsort(-similar, axis=1)[::step, :8]
    differences = np.concatenate([faces[::step] - faces[near[:, place]] for place in range(8)]).astype(np.float64)
    root = fractional_matrix_power(LedoitWolf(assume_centered=True).fit(differences).covariance_, -0.5)
    return root / np.trace(root)


def test_the_map_whitens_the_differences_of_neighbours():
    faces, _ = nuisance()
    found = learn_metric(faces).matrix
    np.testing.assert_allclose(found / np.trace(found), expected_map(faces), atol=2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_people_are_found_better_where_few_directions_vary_within_them(seed):
    faces, labels = nuisance(people=120, each=5, seed=seed)
    plain, learned = (bcubed(labels, find_people(faces, metric=metric).labels) for metric in (Metric(), None))
    assert learned.f > plain.f + 0.08
    assert learned.merged <= plain.merged


def test_few_faces_teach_nothing():
    faces, _ = nuisance()
    assert learn_metric(faces[: module.LEAST]).matrix is not None
    assert learn_metric(faces[: module.LEAST - 1]).matrix is None
    wide = np.random.default_rng(0).standard_normal([600, 601]).astype(np.float32)
    assert learn_metric(wide / np.linalg.norm(wide, axis=1, keepdims=True)).matrix is None


def test_copies_alone_teach_nothing():
    faces, _ = planted(people=6, each=10)
    copies = np.repeat(faces, 12, axis=0)
    assert learn_metric(copies).matrix is None
    assert find_people(copies, threshold=0.99).metric.matrix is None


def test_many_faces_are_thinned_and_each_brings_all_its_neighbours(monkeypatch):
    faces, _ = nuisance()
    whole = learn_metric(faces).matrix
    monkeypatch.setattr(module, "PAIRS", 8 * 200)
    part = learn_metric(faces).matrix
    assert np.abs(part - whole).max() > 0
    np.testing.assert_allclose(part / np.trace(part), expected_map(faces, 3), atol=2e-5)


def test_the_estimated_threshold_may_lie_far_below_plain_similarities():
    """Add what all faces share to the plain rows: their cosines are high, and those in the other metric are not."""
    faces, labels = planted(people=20, each=12, spread=0.6)
    plain = faces + 3 * np.ones(faces.shape[1], np.float32) / faces.shape[1] ** 0.5
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    threshold = estimate_threshold(plain, faces, 0.001)
    assert threshold < (plain @ plain.T).min()
    assert bcubed(labels, find_people(faces, threshold=threshold).labels).f > 0.9


def test_a_photo_without_a_face_and_several_parts_do_no_harm_when_faces_are_added():
    faces, _ = nuisance()
    found = find_people(faces)
    centres = Library(faces, found).centres
    with_none = np.concatenate([np.zeros_like(faces[:1]), faces[:300]])
    of = np.concatenate([[NOWHERE], centres.of])
    library = Library.resumed([with_none, faces[300:]], centres._replace(of=of), found.threshold, found.metric)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        label = library.add(faces[[7]])[0]
    assert label == Library(faces, found).add(faces[[7]])[0] + 1


def test_added_faces_join_in_the_metric():
    faces, labels = nuisance()
    found = find_people(faces[:560], threshold=0.6)
    people, right = labels[560:], {}
    for name, metric in (("learned", found.metric), ("plain", Metric())):
        library = Library(faces[:560], dataclasses.replace(found, metric=metric))
        for row in range(560, 600):
            library.add(faces[[row]])
        firsts = library.labels[560:]
        right[name] = np.mean((firsts < 560) & (labels[firsts] == people))
    assert right["learned"] == 1 > right["plain"]


def test_an_added_face_is_expanded_in_the_metric():
    faces, _ = nuisance()
    found = find_people(faces[:-1])
    library = Library(faces[:-1], found)
    row = library.add(faces[-1:])[0]
    of = library.centres.of[-1]
    size = library.centres.sizes[of]
    alone = library.centres.means[of] * size
    if row != len(faces) - 1:
        alone = alone - Library(faces[:-1], found).centres.means[of] * (size - 1)
    np.testing.assert_allclose(alone, expand(found.metric.rows(faces))[-1], atol=1e-4)


def test_the_metric_is_read_as_it_was_written_and_damage_ends_the_earlier_clustering(tmp_path):
    embeddings, _ = nuisance()
    people = cluster_faces(faces_of(embeddings), Corrections(), far=0.001)
    assert people.left.metric.matrix is not None
    write_faces(tmp_path / "faces.npz", people.faces, {}, people.left)
    left = read_faces(tmp_path / "faces.npz")[2]
    assert left.metric.matrix.tobytes() == people.left.metric.matrix.tobytes()
    assert left.threshold == people.threshold
    arrays = people.left.to_arrays()
    size = embeddings.shape[1]
    for damaged in (arrays["metric"][:-1], arrays["metric"] * np.nan, np.array("text")):
        assert Earlier.from_arrays(arrays | {"metric": damaged}, len(embeddings), size) is None
    assert Earlier.from_arrays(arrays | {"threshold": np.array([0.5, 0.6])}, len(embeddings), size) is None
    older = {name: part for name, part in arrays.items() if name not in ("metric", "threshold")}
    read = Earlier.from_arrays(older, len(embeddings), size)
    assert (read.metric.matrix, read.threshold) == (None, None)


@pytest.fixture
def clustered(tmp_path):
    """Write the clusters of 600 photos, and return their folder."""
    embeddings, _ = nuisance()
    faces = faces_of(embeddings)
    photos = {f"{row:03d}.jpg": digest for row, digest in enumerate(faces.photos())}
    stored = Stored(Settings(str(tmp_path), False, 20, 0.001, None, None, CONTRACT), faces, photos, Corrections())
    write_clusters(tmp_path / "out", stored, cluster_faces(faces, Corrections(), far=0.001))
    return tmp_path / "out"


def test_corrections_keep_the_metric_and_the_other_clusters(clustered):
    before = read_clusters(clustered)
    largest = np.argsort(-np.bincount(before.faces.clusters)[1:])[:2] + 1
    after = correct_clusters(clustered, [merging(*map(str, largest))]).people
    assert after.left.metric.matrix.tobytes() == before.earlier.metric.matrix.tobytes()
    assert after.threshold == before.threshold[0] == read_clusters(clustered).threshold[0]
    others = ~np.isin(before.faces.clusters, largest)
    assert partition(after.faces.clusters[others]) == partition(before.faces.clusters[others])


def test_corrections_of_a_folder_of_an_older_version_compare_by_the_plain_cosine(clustered):
    stored = read_clusters(clustered)
    with np.load(clustered / "embeddings.npz") as file:
        arrays = {name: file[name] for name in file.files if name not in ("metric", "threshold")}
    np.savez(clustered / "embeddings.npz", **arrays)
    older = read_clusters(clustered)
    assert older.threshold == stored.threshold
    after = correct_clusters(clustered, [merging("000.jpg", "001.jpg")]).people
    assert after.left.metric.matrix is None
    assert after.threshold == stored.threshold[0]


def test_a_damaged_metric_is_told_since_its_threshold_means_nothing_without_it(clustered):
    with np.load(clustered / "embeddings.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(clustered / "embeddings.npz", **arrays | {"metric": arrays["metric"][:-1]})
    with pytest.raises(DataError, match="damaged: its arrays do not fit one another"):
        read_clusters(clustered)


def test_older_versions_refuse_a_folder_with_a_metric(clustered):
    assert json.loads((clustered / "cluster.json").read_text())["format"] == "finetune clusters 2"


@pytest.mark.parametrize(("given", "keeps"), [(0.6, True), (0.7, False)])
def test_a_given_threshold_keeps_the_metric_in_which_it_was_given(clustered, given, keeps):
    """Cluster all faces of an older folder again, as when more than a tenth of them are new."""
    stored = read_clusters(clustered)
    plain = dataclasses.replace(stored.earlier, metric=Metric(), threshold=0.6)
    settings = dataclasses.replace(stored.settings, threshold=given)
    people = running._people(dataclasses.replace(stored, settings=settings, threshold=None, earlier=plain))
    assert (people.left.metric.matrix is None) == keeps
    assert people.threshold == given
