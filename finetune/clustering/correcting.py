"""Corrections as a user says them: of clusters, names and photos, checked against the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from finetune.clustering.corrections import Corrections, refuse_name
from finetune.clustering.folder import Line, shown
from finetune.clustering.references import face_of, faces_meant, faces_of_cluster
from finetune.errors import DataError, Problem
from finetune.paths import in_one_line

Correct = Callable[[Corrections, Sequence[Line], Sequence[str]], Corrections]
"""Function from corrections, the lines of the table and the key of each face to the corrections with one more."""


def merging(one: str, other: str) -> Correct:
    """Return the correction that two clusters are one person."""

    def correct(said: Corrections, table: Sequence[Line], keys: Sequence[str]) -> Corrections:
        first, second = ([keys[row] for row in faces_meant(text, table)] for text in (one, other))
        if first == second:
            raise DataError(Problem(in_one_line(other), f"means the same faces as {in_one_line(one)}", "name two"))
        return said.merge(first, second)

    return correct


def parting(one: str, other: str) -> Correct:
    """Return the correction that two clusters, or two photos, are two people."""

    def correct(said: Corrections, table: Sequence[Line], keys: Sequence[str]) -> Corrections:
        first, second = ([keys[row] for row in faces_meant(text, table)] for text in (one, other))
        if not set(first).isdisjoint(second):
            raise DataError(Problem(in_one_line(one), f"has faces of {in_one_line(other)}", "name two"))
        return said.not_same(first, second)

    return correct


def splitting(cluster: str, photos: Sequence[str]) -> Correct:
    """Return the correction that some photos do not belong to a cluster."""

    def correct(said: Corrections, table: Sequence[Line], keys: Sequence[str]) -> Corrections:
        whole = faces_meant(cluster, table)
        out = [_within(photo, set(whole), table) for photo in photos]
        rest = [row for row in whole if row not in out]
        if not rest:
            raise DataError(Problem(in_one_line(cluster), "would have no photo left", "give fewer photos"))
        return said.split([keys[row] for row in dict.fromkeys(out)], [keys[row] for row in rest])

    return correct


def naming(cluster: str, name: str) -> Correct:
    """Return the correction that a cluster has a name."""

    def correct(said: Corrections, table: Sequence[Line], keys: Sequence[str]) -> Corrections:
        refuse_name(name)
        rows = faces_meant(cluster, table)
        _refuse_other_person(set(rows), cluster, name, table)
        return said.name([keys[row] for row in rows], name)

    return correct


def _refuse_other_person(rows: Set[int], text: str, name: str, table: Sequence[Line]) -> None:
    """Refuse a name that another cluster has, and one for a photo whose cluster has another name."""
    own = {line.cluster for line in table if line.row in rows}
    namesakes = {line.cluster for line in table if line.name == name} - own
    if namesakes:
        number = shown(min(namesakes))
        advice = f"give another name, or say --merge {number} {in_one_line(text)} if they are one person"
        raise DataError(Problem(name, f"the name of {number}", advice))
    lies_in = next((line for line in table if line.row in rows and line.name not in ("", name)), None)
    if lies_in and len(rows) < len({line.row for line in table if line.cluster == lies_in.cluster}):
        number = shown(lies_in.cluster)
        advice = f"give {number} to name the person anew, or take the photo out with --split {number} first"
        raise DataError(Problem(in_one_line(text), f"shows {lies_in.name}, the person {number}", advice))


def undoing() -> Correct:
    """Return the correction that takes back the last one before it."""
    return lambda said, _, __: said.undo()


def _within(photo: str, whole: Set[int], table: Sequence[Line]) -> int:
    """Return the face of a photo that lies in a cluster."""
    if faces_of_cluster(photo, table):
        raise DataError(
            Problem(in_one_line(photo), "a cluster, where a photo is expected", "give a cluster, then its photos")
        )
    inside = [line for line in table if line.row in whole]
    row = face_of(photo, inside if any(line.photo == photo.removeprefix("./") for line in inside) else table)
    if row not in whole:
        raise DataError(Problem(in_one_line(photo), "does not lie in that cluster", "see clusters.csv"))
    return row
