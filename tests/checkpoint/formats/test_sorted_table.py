"""Tables give their keys and values in order. Tables that are damaged, or that lie, are refused at once."""

from __future__ import annotations

import struct

import pytest

from finetune.checkpoint.formats import sorted_table
from finetune.checkpoint.formats.sorted_table import table_entries
from tests.checkpoint.formats.tables import masked_crc, number, table

ENTRIES = [(b"", b"header"), (b"a", b""), (b"ab", b"x" * 300), (b"b" * 200, b"y")]


def of_block(entries: bytes) -> bytes:
    """Return a table of one block with these bytes as entries."""
    data = entries + struct.pack("<II", 0, 1)
    handle = number(0) + number(len(data))
    index = number(0) + number(1) + number(len(handle)) + b"z" + handle + struct.pack("<II", 0, 1)
    blocks = b"".join(one + b"\0" + struct.pack("<I", masked_crc(one + b"\0")) for one in (data, index))
    footer = number(0) + number(0) + number(len(data) + 5) + number(len(index))
    return blocks + footer.ljust(40, b"\0") + sorted_table.MAGIC


def test_keys_and_values_come_in_order():
    assert [*table_entries(table(ENTRIES))] == ENTRIES


def test_a_key_repeats_the_beginning_of_the_key_before_it():
    content = of_block(b"\0\3\1abcX" + b"\2\1\1dY" + b"\1\1\0z")
    assert [*table_entries(content)] == [(b"abc", b"X"), (b"abd", b"Y"), (b"az", b"")]


def test_no_changed_byte_before_the_footer_passes():
    whole = table(ENTRIES)
    meta = masked_crc(bytes(4) + struct.pack("<I", 1) + b"\0")
    unread = range(start := whole.index(struct.pack("<I", meta)) - 9, start + 13)  # the metadata block
    for i in {*range(len(whole) - 48)} - {*unread}:
        with pytest.raises((ValueError, IndexError)):
            [*table_entries(whole[:i] + bytes([whole[i] ^ 16]) + whole[i + 1 :])]


def test_no_beginning_of_a_table_passes():
    whole = table(ENTRIES)
    for size in range(len(whole)):
        with pytest.raises((ValueError, IndexError)):
            [*table_entries(whole[:size])]


@pytest.mark.parametrize("entries", [[(b"b", b""), (b"a", b"")], [(b"a", b"1"), (b"a", b"2")]], ids=["order", "twice"])
def test_keys_out_of_order_are_refused(entries):
    with pytest.raises(ValueError, match="out of order"):
        [*table_entries(table(entries))]


def test_keys_that_repeat_each_other_beyond_all_measure_are_refused(monkeypatch):
    monkeypatch.setattr(sorted_table, "MOST_KEYS", 5000)
    long = b"\0" + number(1000) + b"\0" + b"k" * 1000
    more = b"".join(number(1000 + i) + b"\1\0k" for i in range(10))
    with pytest.raises(ValueError, match="too long"):
        [*table_entries(of_block(long + more))]


def test_a_compressed_block_is_refused():
    whole = table([(b"a", b"b")])
    block = whole[: whole.index(struct.pack("<II", 0, 1)) + 8]
    packed = block + b"\1" + struct.pack("<I", masked_crc(block + b"\1"))
    with pytest.raises(ValueError, match="compressed"):
        [*table_entries(packed + whole[len(packed) :])]
