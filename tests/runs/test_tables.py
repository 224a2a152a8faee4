"""What a run shows as it goes."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("tensorflow")
from finetune.runs import tables
from finetune.training import EpochRow, StageState

pytestmark = pytest.mark.tf


def row(epoch, seconds):
    values = {field.name: 0.0 for field in dataclasses.fields(EpochRow)}
    return EpochRow(**values | {"stage": "s", "attempt": 1, "epoch": epoch, "seconds": seconds})


def test_what_remains_is_said_once_an_epoch_tells_of_the_others(capsys):
    for rows in ([row(1, 1800.0)], [row(1, 1800.0), row(2, 10.0)]):
        tables.epoch(StageState(rows=rows), 5)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{'30 min':>8}")
    assert second.endswith(f"{'10 s':>8}{'30 s':>10}")
