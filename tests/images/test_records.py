"""A table of records answers as a dictionary of them does, and knows the latest of several inspections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.images import Fault, ImageRecord, JoinedRecords, RecordList, RecordTable, Size
from finetune.path_list import PathList

RECORDS = (
    ImageRecord(Path("a/1.png"), b"d" * 32, 2**32 - 1, Size(160, 170)),
    ImageRecord(Path("a/2.png"), fault=Fault("empty", "an empty file")),
    ImageRecord(Path("b/1.png"), b"e" * 32, 7, fault=Fault("unreadable", "can't be read")),
    ImageRecord(Path("b/2.png"), b"\0" * 31 + b"f", 8),
    ImageRecord(Path("b/3.png"), fault=Fault("empty", "an empty file")),
)


def table(records=RECORDS) -> RecordTable:
    made = RecordTable(PathList(record.path for record in records))
    for place, record in enumerate(records):
        made.put(place, record)
    return made


def test_a_table_is_a_mapping_of_its_records():
    found, expected = table(), {record.path: record for record in RECORDS}
    assert found == expected
    assert expected == found
    assert (list(found), list(found.values()), len(found)) == (list(expected), list(RECORDS), 5)
    assert found.get(Path("a/3.png")) is None
    assert Path("a/3.png") not in found
    with pytest.raises(KeyError):
        found[Path("a/3.png")]
    assert found.unmeasured().tolist() == [3]
    assert len(found.reasons) == 2


def test_a_record_can_be_replaced():
    found = table()
    changed = ImageRecord(RECORDS[1].path, b"g" * 32, 9, Size(1, 2))
    found.put(1, changed)
    assert found[changed.path] == changed


@pytest.mark.parametrize("known", [table(RECORDS[:3]), dict(table(RECORDS[:3])), JoinedRecords(table(RECORDS[1:3]))])
def test_a_table_takes_over_the_records_that_are_known(known):
    changed = ImageRecord(RECORDS[2].path, b"g" * 32, 9, Size(1, 2))
    found = RecordTable(PathList(record.path for record in reversed(RECORDS)))
    filled = found.fill(JoinedRecords(known, {changed.path: changed}))
    expected = {**known, changed.path: changed}
    assert {path: found[path] for path, is_known in zip(found, filled, strict=True) if is_known} == expected
    assert filled.tolist() == [path in expected for path in found]
    assert not found.fill({}).any()


def test_a_table_takes_over_a_part_of_its_own_paths():
    whole = table()
    part = RecordTable(whole.paths.take(np.array([1, 4])))
    part.put(0, RECORDS[1])
    part.put(1, RECORDS[4])
    found = RecordTable(whole.paths)
    found.put(2, RECORDS[2])
    assert found.fill(part).tolist() == [False, True, False, False, True]
    assert [found.at(place) for place in (1, 2, 4)] == [RECORDS[1], RECORDS[2], RECORDS[4]]
    assert found.digests() == ["", "", RECORDS[2].digest.hex(), "", ""]


def test_some_records_are_a_sequence():
    some = RecordList(table(), np.array([3, 0, 1]))
    assert (list(some), list(some[1:])) == ([RECORDS[3], *RECORDS[:2]], list(RECORDS[:2]))
    assert some[-1] == RECORDS[1]


def test_the_latest_of_several_inspections_counts():
    changed = ImageRecord(RECORDS[1].path, b"g" * 32, 9, Size(1, 2))
    joined = JoinedRecords(table(RECORDS[:3]))
    assert (joined[changed.path], bool(joined), bool(JoinedRecords()), bool(JoinedRecords({}))) == (
        RECORDS[1],
        True,
        False,
        False,
    )
    joined.add({changed.path: changed, RECORDS[4].path: RECORDS[4]})
    expected = {record.path: record for record in (*RECORDS[:3], changed, RECORDS[4])}
    assert (joined, list(joined), len(joined)) == (expected, list(expected), 4)
    assert Path("b/2.png") not in joined
    with pytest.raises(KeyError):
        joined[Path("b/2.png")]
