"""The workers of a `multi_worker` run, read from the environment variable TF_CONFIG."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from finetune.errors import Problem, UserError

EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"[^\s/]+:\d{1,5}")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers' addresses (HOST:PORT) and the index of this process among them; worker 0 is the chief."""

    workers: tuple[str, ...]
    index: int


def read_cluster() -> Cluster:
    """Read and check the cluster of TF_CONFIG. TensorFlow reads it too, but does not explain its errors.

    Raises:
        UserError: TF_CONFIG is missing or can't be used; one line per problem.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UserError(
            Problem("TF_CONFIG", "not set, and strategy is multi_worker", f"set it on each worker, as in {EXAMPLE}")
        )
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(Problem("TF_CONFIG", f"not JSON ({error})", f"give {EXAMPLE}")) from error
    if problems := list(_problems(config)):
        raise UserError(*problems)
    return Cluster(tuple(config["cluster"]["worker"]), config["task"]["index"])


def _problems(config: Any) -> Iterator[Problem]:
    cluster, task = (config.get(key) if isinstance(config, dict) else None for key in ("cluster", "task"))
    workers = cluster.get("worker") if isinstance(cluster, dict) else None
    if not isinstance(workers, list) or not workers:
        advice = f"give a list of HOST:PORT, one per worker, as in {EXAMPLE}"
        yield Problem("TF_CONFIG cluster.worker", f"found {json.dumps(workers)}", advice)
        return
    for address in workers:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > 65535:
            yield Problem("TF_CONFIG cluster.worker", f"found {json.dumps(address)}", "give HOST:PORT")
        elif workers.count(address) > 1:
            twice = f"found {json.dumps(address)} twice"
            yield Problem("TF_CONFIG cluster.worker", twice, "give each worker its own address")
            return
    others = sorted(set(cluster or ()) - {"worker"})
    if others:
        advice = "name every process in cluster.worker, the first is the chief"
        yield Problem("TF_CONFIG cluster", f"found {', '.join(others)}", advice)
    if not isinstance(task, dict):
        yield Problem("TF_CONFIG task", f"found {json.dumps(task)}", 'give {"type": "worker", "index": 0}')
        return
    if task.get("type") != "worker":
        yield Problem("TF_CONFIG task.type", f"found {json.dumps(task.get('type'))}", 'give "worker"')
    index = task.get("index")
    if type(index) is not int or not 0 <= index < len(workers):
        advice = f"give this process' place in cluster.worker, a whole number from 0 to {len(workers) - 1}"
        yield Problem("TF_CONFIG task.index", f"found {json.dumps(index)}", advice)
