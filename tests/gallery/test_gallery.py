"""People are added, renamed, merged and removed; names that nobody can have are refused."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError, NotFinite
from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos
from finetune.names import normal, shown, why_unusable
from tests.gallery.conftest import CONTRACT, gallery, photos, vectors


def contents(found: Gallery) -> Counter[tuple[str, bytes, bytes]]:
    rows = zip(found.labels.tolist(), found.photos.hashes(), found.embeddings, strict=True)
    return Counter((found.people[label], digest, row.tobytes()) for label, digest, row in rows)


def test_photos_stay_with_their_person_and_their_digest():
    found = gallery(people=3, each=2)
    assert found.people == ("person 0", "person 1", "person 2")
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(found.embeddings, vectors([0, 0, 1, 1, 2, 2]))
    assert found.counts().tolist() == [2, 2, 2]


def test_a_photo_that_is_there_stays_where_it_is():
    found = gallery(people=2, each=2)
    again = found.add(["somebody else"] * 4, found.photos)
    assert contents(again) == contents(found)
    assert again.people == found.people


def test_a_photo_given_twice_is_enrolled_once_under_the_first_name():
    twice = photos(vectors([0])).joined(photos(vectors([0])))
    found = Gallery.empty(CONTRACT, 16).add(["ann", "bob"], twice)
    assert (found.people, found.labels.tolist()) == (("ann",), [0])


def test_labels_of_others_do_not_move_when_somebody_is_added():
    before = gallery(people=3)
    after = before.add(["another"], photos(vectors([9]), seed=5))
    assert after.people[:3] == before.people
    assert after.labels[:12].tolist() == before.labels.tolist()
    assert after.labels[12] == 3


def test_one_name_in_two_forms_of_unicode_is_one_person():
    composed, parted = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    found = Gallery.empty(CONTRACT, 16).add([parted, composed], photos(vectors([0, 0])))
    assert found.people == (composed,)
    assert found.label(parted) == 0


def test_a_name_is_looked_up_in_other_spellings_where_one_person_has_it():
    found = Gallery.empty(CONTRACT, 16).add(["Ann_Li", "Zoë", "Bo", "bo"], photos(vectors([0, 1, 2, 3])))
    assert [found.label(name) for name in ("ann li", "ZOË", "Ann_Li", "bo", "Bo")] == [0, 1, 0, 3, 2]
    with pytest.raises(
        DataError, match=r"^BO: nobody of that name is enrolled; it may be Bo or bo: give one of them as"
    ):
        found.label("BO")
    with pytest.raises(
        DataError, match=r"^Anne Li: nobody of that name is enrolled; enrolled are Ann_Li, Zoë, Bo, bo$"
    ):
        found.label("Anne Li")


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.integers(0, 40)),
        st.tuples(st.just("rename"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("merge"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
    ),
    max_size=20,
)


@given(ACTIONS)
def test_any_changes_give_what_a_dictionary_of_them_gives(actions):
    found, expected = Gallery.empty(CONTRACT, 16), {}
    for action, first, second in actions:
        name, other = f"p{first}", f"p{second}"
        try:
            if action == "add":
                found = found.add([name], photos(vectors([second]), seed=second))
                (digest,) = photos(vectors([second]), seed=second).hashes()
                if all(digest not in theirs for theirs in expected.values()):
                    expected.setdefault(name, []).append(digest)
            elif action == "rename":
                found = found.rename(name, other)
                expected[other] = expected.pop(name)
            elif action == "merge":
                found = found.merge(name, other)
                expected[other] += expected.pop(name)
            else:
                found = found.remove(name)
                del expected[name]
        except DataError:
            absent = name not in expected
            taken = {"rename": other in expected, "merge": other not in expected or name == other}
            assert absent or taken[action]
    held = {name: [] for name in found.people}
    for label, digest in zip(found.labels.tolist(), found.photos.hashes(), strict=True):
        held[found.people[label]].append(digest)
    assert {name: sorted(digests) for name, digests in held.items()} == {
        name: sorted(digests) for name, digests in expected.items()
    }


def test_removing_somebody_removes_all_that_is_kept_of_them():
    found = gallery(people=3, each=2)
    left = found.remove("person 1")
    gone = found.photos.take(found.labels == 1)
    assert not set(gone.hashes()) & set(left.photos.hashes())
    assert not any((left.embeddings == row).all(1).any() for row in gone.embeddings)
    assert left.people == ("person 0", "person 2")
    assert left.labels.tolist() == [0, 0, 1, 1]


def test_a_stranger_who_is_enrolled_is_no_stranger_any_more():
    strangers = photos(vectors([20, 20, 21]), seed=3)
    found = gallery().add_strangers(np.array([0, 0, 1]), strangers)
    known = found.add(["Eve"], strangers.take(np.array([1])))
    assert known.stranger_labels.tolist() == [0]
    assert known.strangers.hashes() == strangers.hashes()[2:]
    again = known.add_strangers(np.array([0, 0, 1]), strangers)
    assert again.strangers.hashes() == strangers.hashes()[2:]


def test_strangers_are_added_to_those_before_each_photo_once():
    first, more = photos(vectors([20, 20, 21]), seed=3), photos(vectors([22, 23]), seed=4)
    found = gallery().add_strangers(np.array([0, 0, 1]), first)
    grown = found.add_strangers(np.array([0, 1, 2]), first.take(np.array([1])).joined(more))
    assert grown.stranger_labels.tolist() == [0, 0, 1, 2, 3]
    assert grown.strangers.hashes() == first.hashes() + more.hashes()
    assert len(grown.without_strangers().strangers) == 0
    assert contents(grown.without_strangers()) == contents(gallery())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "it is empty, or begins or ends with a space"),
        (" ann", "it is empty, or begins or ends with a space"),
        ("../../etc/passwd", "it reads as a path"),
        ("a\\b", "it reads as a path"),
        ("..", "it reads as a path"),
        ("a\x1b[31mb", "it holds characters that can't be printed"),
        ("a\nb", "it holds characters that can't be printed"),
        ("a\0", "it holds characters that can't be printed"),
        ("gro\u202eeg", "it holds characters that can't be printed"),
        ("ä" * 128, "it is longer than 255 bytes"),
        ("Unknown", "it is the answer for strangers"),
    ],
)
def test_names_that_nobody_can_have(name, problem):
    assert str(why_unusable(name)) == f"{shown(name)}: can't be a person's name: {problem}; rename them"
    with pytest.raises(DataError) as refused:
        gallery().add([name], photos(vectors([1])))
    (line,) = map(str, refused.value.problems)
    assert line.endswith(f"can't be a person's name: {problem}; rename them")
    assert all(c.isprintable() for c in line)


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Jean-Luc O'Neil",
        "Zoë",
        "王菲",
        "\u0641\u0627\u0637\u0645\u0647\u200c\u0632\u0647\u0631\u0627",
        "a" * 255,
        "unknown soldier",
    ],
)
def test_names_that_people_have(name):
    assert why_unusable(normal(name)) is None


def test_all_wrong_names_are_told_at_once():
    with pytest.raises(DataError) as refused:
        gallery().add(["a/b", "fine", "unknown"], photos(vectors([1, 2, 3])))
    assert len(refused.value.problems) == 2


def test_embeddings_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"embeddings of 8 values, where the gallery's have 16"):
        gallery().add(["ann"], photos(vectors([1], size=8)))


def test_wrong_names_to_change_are_told_with_those_that_are_there():
    found = gallery(people=7)
    with pytest.raises(DataError, match=r"^eve: nobody of that name is enrolled; enrolled are person 0, .*, …$"):
        found.remove("eve")
    with pytest.raises(DataError, match=r"--merge 'person 1' 'person 2' makes the two one"):
        found.rename("person 1", "person 2")
    with pytest.raises(DataError, match="is the name already"):
        found.rename("person 1", "person 1")
    with pytest.raises(DataError, match="can't be merged with the same person"):
        found.merge("person 1", "person 1")


def test_a_contract_says_how_another_differs():
    assert CONTRACT.differences(Contract("elsewhere", CONTRACT.weights, 160, "fixed")) == ""
    other = Contract("elsewhere", "cd" * 32, 160, "per_image")
    assert CONTRACT.differences(other) == (
        "made with models/a/model-a.ckpt-1, whose weights differ from those of elsewhere "
        "and made with standardization fixed, not per_image"
    )


def test_prelogits_come_back_from_their_lengths():
    prelogits = 3.5 * vectors([1, 2]) * np.array([[1.0], [2.0]], np.float32)
    kept = Photos.of(prelogits, [b"a" * 32, b"b" * 32], ["a", "b"])
    np.testing.assert_allclose(kept.prelogits(), prelogits, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(kept.embeddings, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e38])
def test_embeddings_without_a_direction_are_refused_before_they_are_written(value):
    """Refuse them early, because a gallery that held one could not be read again."""
    rows = vectors([1, 2])
    rows[1] = value
    with pytest.raises(NotFinite, match=r"^b: 1 of 2 embeddings are zero or not finite; none was enrolled$"):
        Photos.of(rows, [b"a" * 32, b"b" * 32], ["a", "b"])


def named(found: Gallery) -> list[str]:
    return [found.photo_name(row) for row in range(len(found))]


def test_one_photo_is_removed_or_moved_and_all_others_stay():
    found = gallery(people=3, each=2)
    assert named(found)[:3] == ["person 0/0.png", "person 0/1.png", "person 1/2.png"]
    removed = found.remove_photo("person 1/2.png")
    assert contents(found) - contents(removed) == contents(found.remove_photo("person 0/0.png")) - contents(
        removed.remove_photo("person 0/0.png")
    )
    assert named(removed) == [name for name in named(found) if name != "person 1/2.png"]
    np.testing.assert_array_equal(removed.embeddings, np.delete(found.embeddings, 2, axis=0))
    moved = found.move_photo("person 1/2.png", "person 0")
    assert named(moved) == ["person 0/0.png", "person 0/1.png", "person 0/2.png", *named(found)[3:]]
    np.testing.assert_array_equal(moved.embeddings, found.embeddings)
    assert moved.people == found.people


def test_whose_last_photo_is_removed_or_moved_is_gone():
    found = gallery(people=3, each=1)
    assert found.remove_photo("person 1/1.png").people == ("person 0", "person 2")
    moved = found.move_photo("person 0/0.png", "person 2")
    assert (moved.people, moved.labels.tolist()) == (("person 1", "person 2"), [1, 0, 1])


def test_a_photo_is_found_by_its_digest_where_names_are_not_enough():
    one, other = photos(vectors([0]), seed=1), photos(vectors([0]), seed=2)  # each of them called 0.png
    found = Gallery.empty(CONTRACT, 16).add(["ann"], one).add(["ann"], other)
    first, second = (digest.hex()[:12] for digest in found.photos.hashes())
    with pytest.raises(DataError) as refused:
        found.remove_photo("ann/0.png")
    assert str(refused.value) == (
        f"ann/0.png: 2 photos have that name; give one by its sha256: ann/{first}, ann/{second}"
    )
    assert found.remove_photo(f"ann/{first}").photos.hashes() == other.hashes()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("remove_photo", "0.png"), "0.png: not a photo; give PERSON/FILE"),
        (("remove_photo", "eve/0.png"), "eve: nobody of that name is enrolled; enrolled are person 0, person 1"),
        (
            ("remove_photo", "person 0/9.png"),
            "person 0/9.png: person 0 has no photo of that name; enrolled are 0.png, 1.png",
        ),
        (("move_photo", "person 0/0.png", "person 0"), "person 0/0.png: is person 0's already; name another person"),
        (
            ("move_photo", "person 0/0.png", "eve"),
            "eve: nobody of that name is enrolled; enrolled are person 0, person 1",
        ),
    ],
)
def test_photos_that_can_not_be_removed_or_moved_are_told(change, problem):
    method, *arguments = change
    with pytest.raises(DataError) as refused:
        getattr(gallery(people=2, each=2), method)(*arguments)
    assert str(refused.value) == problem
