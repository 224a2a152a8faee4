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
