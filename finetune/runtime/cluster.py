"""The workers of a `multi_worker` run, as the environment variable TF_CONFIG names them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from finetune.errors import UserError

EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"[^\s/]+:\d{1,5}")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers' addresses, HOST:PORT, and which of them this process is; worker 0 is the chief."""

    workers: tuple[str, ...]
    index: int


def read_cluster() -> Cluster:
    """The cluster of TF_CONFIG, which TensorFlow reads too, and would not explain.

    Raises:
        UserError: it is missing or can't be used; one line for every problem.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UserError(f"TF_CONFIG: not set, and strategy is multi_worker; set it on each worker, as in {EXAMPLE}")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"TF_CONFIG: no JSON ({error}); give {EXAMPLE}") from error
    if problems := [f"TF_CONFIG{problem}" for problem in _problems(config)]:
        raise UserError(*problems)
    return Cluster(tuple(config["cluster"]["worker"]), config["task"]["index"])


def _problems(config: Any) -> Iterator[str]:
    cluster, task = (config.get(key) if isinstance(config, dict) else None for key in ("cluster", "task"))
    workers = cluster.get("worker") if isinstance(cluster, dict) else None
    if not isinstance(workers, list) or not workers:
        yield f" cluster.worker: found {json.dumps(workers)}; give a list of HOST:PORT, one a worker, as in {EXAMPLE}"
        return
    for address in workers:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > 65535:
            yield f" cluster.worker: found {json.dumps(address)}; give HOST:PORT"
        elif workers.count(address) > 1:
            yield f" cluster.worker: found {json.dumps(address)} twice; give each worker its own address"
            return
    others = sorted(set(cluster or ()) - {"worker"})
    if others:
        yield f" cluster: found {', '.join(others)}; name every process in cluster.worker, the first is the chief"
    if not isinstance(task, dict):
        yield f' task: found {json.dumps(task)}; give {{"type": "worker", "index": 0}}'
        return
    if task.get("type") != "worker":
        yield f' task.type: found {json.dumps(task.get("type"))}; give "worker"'
    index = task.get("index")
    if type(index) is not int or not 0 <= index < len(workers):
        yield (
            f" task.index: found {json.dumps(index)}; give this process' place in cluster.worker, "
            f"a whole number from 0 to {len(workers) - 1}"
        )
