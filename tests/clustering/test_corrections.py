"""Corrections hold after any script of merges, splits, names and additions; what can't hold is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.clustering import (
    Corrections,
    Faces,
    cluster_faces,
    faces_meant,
    lines,
    merging,
    naming,
    number_clusters,
    parting,
    read_corrections,
    splitting,
    write_corrections,
)
from finetune.errors import DataError
from tests.clustering.conftest import partition, planted

N = 24
STEP = st.tuples(
    st.sampled_from(["merge", "split", "not-same", "name", "add"]),
    st.integers(0, N - 1),
    st.integers(0, N - 1),
    st.sampled_from(["Ann", "Bob"]),
)


def made(n: int) -> tuple[Faces, dict[str, str]]:
    """Return the faces of n photos, every fourth of which shows the person of the photo before it once more."""
    embeddings, _ = planted(people=4, each=6, spread=0.9)
    found = [(bytes([row - (row % 4 == 3)]) * 32, 1 + (row % 4 == 3), (0, 0, 9, 9), "") for row in range(n)]
    faces = Faces.of(found, embeddings[:n])
    return faces, {f"{digest[:2]}.jpg": digest for digest in faces.photos()}


def said(row: int) -> str:
    """Return how a user names the face in a row."""
    return f"{row - (row % 4 == 3):02x}.jpg#{1 + (row % 4 == 3)}"


def correction(kind: str, one: int, other: int, name: str):
    if kind == "split":
        return lambda cluster: splitting(cluster, [said(one)])
    make = {"merge": merging, "not-same": parting}.get(kind)
    return lambda cluster: naming(cluster, name) if make is None else make(cluster, said(other))


def assert_kept(corrections: Corrections, faces: Faces, people) -> None:
    """Assert that the clusters keep what was said, and that no photo is twice in one."""
    keys, clusters = faces.keys(), people.faces.clusters
    at = {key: int(cluster) or -1 - row for row, (key, cluster) in enumerate(zip(keys, clusters, strict=True))}
    for group in corrections.together:
        assert len({at[key] for key in group}) == 1
    for ones, others in corrections.apart:
        assert {at[key] for key in ones}.isdisjoint(at[key] for key in others)
    for key, name in corrections.names.items():
        assert people.names[at[key]] == name
    inside = [(photo, cluster) for photo, cluster in zip(faces.photos(), clusters.tolist(), strict=True) if cluster]
    assert len(set(inside)) == len(inside)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=8))
def test_corrections_hold_after_any_script(script):
    n, corrections = N // 2, Corrections()
    faces, photos = made(n)
    people = cluster_faces(faces, corrections, far=0.01, threshold=0.6)
    for kind, one, other, name in script:
        if kind == "add" or max(one, other) >= n:
            n = min(N, n + 4)
            more, photos = made(n)
            kept = np.concatenate([people.faces.clusters, np.zeros(n - len(people.faces), np.int64)])
            faces = Faces(*(*list(vars(more).values())[:-1], kept))
        else:
            table = lines(people, photos)
            cluster = next((line.cluster for line in table if line.row == one and line.cluster), 0)
            correct = correction(kind, one, other, name)(f"{cluster}" if cluster else said(one))
            try:
                wanted = correct(corrections, table, faces.keys())
                people = cluster_faces(people.faces, wanted, far=0.01, threshold=0.6, paths=photos)
            except DataError:
                continue
            corrections, faces = wanted, people.faces
        people = cluster_faces(faces, corrections, far=0.01, threshold=0.6)
        assert_kept(corrections, faces, people)
        assert Corrections.from_json(json.loads(json.dumps(corrections.to_json()))) == corrections


def test_the_order_of_photos_does_not_matter():
    faces, _ = made(N)
    order = np.random.default_rng(1).permutation(N)
    moved = Faces(*(part[order] for part in vars(faces).values()))
    first, second = (cluster_faces(some, Corrections(), far=0.01) for some in (faces, moved))
    assert np.array_equal(second.faces.clusters, first.faces.clusters[order])
    assert second.threshold == first.threshold


def test_a_split_takes_a_face_out_of_what_was_merged_before():
    before = Corrections().merge(["a", "b"], ["c", "d"]).name(["a", "b", "c", "d"], "Ann")
    after = before.split(["d"], ["a", "b", "c"])
    assert after.together == (("a", "b", "c"),)
    assert after.names == dict.fromkeys("abc", "Ann")
    assert after.apart == ((("d",), ("a", "b", "c")),)


def test_two_faces_of_one_photo_can_not_be_one_person():
    faces, photos = made(N)
    wrong = Corrections().merge([faces.keys()[2]], [faces.keys()[3]])
    with pytest.raises(DataError, match=r"^two faces of 02\.jpg would have to be one person, and a photo shows nob"):
        cluster_faces(faces, wrong, far=0.01, paths=photos)


def test_a_photo_with_several_faces_needs_the_number():
    faces, photos = made(N)
    table = lines(cluster_faces(faces, Corrections(), far=0.01), photos)
    assert faces_meant("02.jpg#2", table) == [3]
    with pytest.raises(DataError, match=r"02\.jpg: shows 2 faces; say which, from 02\.jpg#1 to #2"):
        faces_meant("02.jpg", table)
    with pytest.raises(DataError, match="no such cluster and no such photo"):
        faces_meant("02.jpg#3", table)


@pytest.mark.parametrize(
    ("before", "numbers"),
    [
        ([0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 2, 3]),
        ([2, 2, 2, 1, 1, 3], [2, 2, 2, 1, 1, 3]),
        ([1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 3]),
        ([4, 0, 0, 7, 4, 4], [4, 4, 4, 7, 7, 8]),
        ([0, 5, 5, 5, 0, 0], [5, 5, 5, 6, 6, 7]),
    ],
)
def test_a_cluster_keeps_the_number_of_most_of_its_faces(before, numbers):
    labels = np.array([0, 0, 0, 3, 3, 5])
    found = number_clusters(labels, np.array(before), list("abcdef"))
    assert partition(found) == partition(labels)
    assert found.tolist() == numbers


def test_a_file_that_was_not_written_by_the_command_is_refused(tmp_path):
    path = tmp_path / "corrections.json"
    write_corrections(path, Corrections().name(["a:1"], "Ann"))
    assert read_corrections(path).names == {"a:1": "Ann"}
    for text in ("[]", "{", '{"together": [1], "apart": [], "names": {}}', '{"together": [], "apart": [], "names": 1}'):
        path.write_text(text)
        with pytest.raises(DataError, match="damaged"):
            read_corrections(path)


SOME = st.sets(st.sampled_from("abcdef"), min_size=1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["merge", "split", "not_same", "name"]), SOME, SOME), max_size=8))
def test_each_correction_can_be_taken_back_after_reading_too(script):
    states = [Corrections()]
    for kind, ones, others in script:
        values = (sorted(ones), "Ann") if kind == "name" else (sorted(ones), sorted(others - ones))
        states.append(getattr(states[-1], kind)(*values))
    for said in reversed(states):
        assert Corrections.from_json(json.loads(json.dumps(said.to_json()))) == said
    said = states[-1]
    for before in reversed(states[:-1]):
        said = said.undo()
        assert said == before
    with pytest.raises(DataError, match="no correction to take back"):
        said.undo()


def test_a_file_of_an_older_version_is_where_taking_back_ends():
    old = Corrections.from_json({"together": [["a", "b"]], "apart": [], "names": {"Ann": ["a"]}})
    after = old.name(["c"], "Bob").split(["a"], ["b"])
    assert after.undo().undo() == old
    with pytest.raises(DataError, match="no correction to take back"):
        after.undo().undo().undo()


def test_steps_that_lead_elsewhere_are_forgotten():
    stored = Corrections().merge(["a"], ["b"]).name(["a"], "Ann").to_json()
    stored["names"] = {"Anna": ["a"]}
    said = Corrections.from_json(stored)
    assert (said.names, said.together, said.steps, said.start) == ({"a": "Anna"}, (("a", "b"),), (), None)
    for wrong in (["rename", ["a"], "b"], ["name", ["a"], 1], ["merge", ["a"]], 3):
        with pytest.raises((ValueError, TypeError)):
            Corrections.from_json({**stored, "steps": [wrong]})
