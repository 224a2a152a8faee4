"""The contents that TF_CONFIG must have, and the line that says what is wrong with it."""

from __future__ import annotations

import json

import pytest

from finetune.errors import UserError

pytest.importorskip("tensorflow")
from finetune.runtime.cluster import Cluster, read_cluster

pytestmark = pytest.mark.tf
TWO = ["127.0.0.1:4000", "b.example:4001"]


def config(workers, **task):
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0} | task})


BAD = [
    (None, ["TF_CONFIG: not set, and strategy is multi_worker; set it on each worker, as in {"]),
    ("", ["TF_CONFIG: not set"]),
    ("{'cluster'", ["TF_CONFIG: not JSON (Expecting property name"]),
    ("[]", ["TF_CONFIG cluster.worker: found null; give a list of HOST:PORT, one per worker"]),
    ('{"cluster": {"ps": ["a:1"]}}', ["TF_CONFIG cluster.worker: found null; give a list"]),
    (config([]), ["TF_CONFIG cluster.worker: found []; give a list"]),
    (config("a:1"), ['TF_CONFIG cluster.worker: found "a:1"; give a list']),
    (config(["a:1", "b"]), ['TF_CONFIG cluster.worker: found "b"; give HOST:PORT']),
    (config(["a:1", 3]), ["TF_CONFIG cluster.worker: found 3; give HOST:PORT"]),
    (config(["a:1", "a:1"]), ['TF_CONFIG cluster.worker: found "a:1" twice; give each worker its own address']),
    (
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        ["TF_CONFIG cluster: found chief; name every process in cluster.worker, the first is the chief"],
    ),
    ('{"cluster": {"worker": ["a:1"]}}', ['TF_CONFIG task: found null; give {"type": "worker", "index": 0}']),
    (config(TWO, type="chief"), ['TF_CONFIG task.type: found "chief"; give "worker"']),
    (config(TWO, index=2), ["TF_CONFIG task.index: found 2; give this process' place in cluster.worker, a whole"]),
    (config(TWO, index=-1), ["TF_CONFIG task.index: found -1; give this process' place"]),
    (config(TWO, index="1"), ['TF_CONFIG task.index: found "1"; give this process\' place']),
    (config(TWO, index=True), ["TF_CONFIG task.index: found true; give"]),
    (config(["a"], type="ps", index=9), ['worker: found "a"', 'task.type: found "ps"', "task.index: found 9"]),
]


@pytest.mark.parametrize(("text", "lines"), BAD)
def test_what_is_wrong_is_said_a_line_a_problem(monkeypatch, text, lines):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError) as error:
        read_cluster()
    assert len(error.value.problems) == len(lines)
    for problem, line in zip(map(str, error.value.problems), lines, strict=True):
        assert line in problem


def test_the_workers_and_this_ones_place(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(TWO, index=1))
    assert read_cluster() == Cluster(tuple(TWO), 1)
