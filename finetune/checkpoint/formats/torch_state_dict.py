"""The choice of the state dict in a PyTorch checkpoint, and the names of its tensors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.checkpoint.formats.torch_pickle import Tensor
from finetune.errors import CheckpointError, Problem
from finetune.pickles import Inert, legible

KEYS = ("state_dict", "model_state_dict", "model", "net", "backbone", "module", "weights")
"""Keys of state dicts in checkpoints, the preferred one first."""
DEPTH = 2
"""Largest number of dictionaries around a state dict."""
LONGEST = 512
"""Largest length of a tensor's name."""
SHOWN = 5
"""Largest number of keys in a message."""
ADVICE = "save the state dict alone: torch.save(model.state_dict(), …)"
_WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod)\.)+")
"""Prefixes of `DataParallel`, its relatives and `torch.compile`."""
_UNREAD = re.compile(r"torch\.(?:.*\._rebuild_\w+|(?:.*\.)?\w+Storage)$")
"""Names of functions and storages that only tensors have."""
_OUTER = re.compile(r"(?:model|backbone|net|encoder)\.")
"""Prefixes of a network that is an attribute of another module."""


def state_dict(path: Path, value: Any) -> dict[str, Tensor]:
    """Return the tensors of a file by name, sorted, without the prefixes of wrappers.

    Args:
        path: path of the file, for messages.
        value: object that the file holds.

    Raises:
        CheckpointError: the object is a whole model, or has no state dict, or several.
        ValueError: a tensor is of a kind that is not read, or two tensors have one name.
    """
    found = _chosen(path, value)
    unread = [key for key, part in found.items() if _is_unread(key, part)]
    if unread:
        raise ValueError(f"{legible(unread[0])} is of {found[unread[0]].name}")
    return _named({key: part for key, part in found.items() if isinstance(part, Tensor)})


def _is_unread(key: Any, part: Any) -> bool:
    """Return whether a tensor is of a kind that is not read, such as a quantized one."""
    return isinstance(key, str) and isinstance(part, Inert) and _UNREAD.match(part.name) is not None


def _chosen(path: Path, value: Any) -> dict[Any, Any]:
    """Return the state dict itself, or the one in a checkpoint that comes first in the order of `KEYS`."""
    if isinstance(value, Inert):
        raise CheckpointError(_whole_model(path, value))
    if not isinstance(value, dict):
        kind = "one tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise CheckpointError(Problem(path, f"holds {kind}, not a state dict", ADVICE))
    ranked: dict[tuple[int, ...], list[tuple[tuple[str, ...], dict[Any, Any]]]] = {}
    for keys, part in _candidates(value, (), set()):
        rank = tuple(KEYS.index(key) if key in KEYS else len(KEYS) for key in keys)
        ranked.setdefault(rank, []).append((keys, part))
    if not ranked:
        models = [value[key] for key in KEYS if isinstance(value.get(key), Inert)]
        shown = ", ".join(legible(str(key)) for key in _plain(value)) or "nothing"
        raise CheckpointError(
            _whole_model(path, models[0]) if models else Problem(path, f"holds no state dict, but {shown}", ADVICE)
        )
    best = ranked[min(ranked)]
    if len(best) > 1:
        shown = ", ".join(legible(".".join(keys)) for keys, _ in best[:SHOWN])
        raise CheckpointError(Problem(path, f"holds several state dicts ({shown})", ADVICE))
    return best[0][1]


def _plain(value: dict[Any, Any]) -> list[str | int]:
    """Return the first keys that can be shown."""
    return [key for key in itertools.islice(value, SHOWN) if isinstance(key, (str, int)) and key != ""]


def _whole_model(path: Path, model: Inert) -> Problem:
    return Problem(
        path, f"holds a whole model ({model.name}), not a state dict", "torch.save(model.state_dict(), …) makes one"
    )


def _candidates(
    value: dict[Any, Any], keys: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], dict[Any, Any]]]:
    """Yield the dictionaries that are mostly tensors, with the keys that lead to them, except an optimizer's."""
    if id(value) in seen or value.keys() >= {"state", "param_groups"}:
        return
    seen.add(id(value))
    tensors = [key for key, part in value.items() if isinstance(part, Tensor) or _is_unread(key, part)]
    if 2 * len(tensors) > len(value) and all(isinstance(key, str) for key in tensors):
        yield keys, value
    elif len(keys) < DEPTH:
        for key, part in value.items():
            if isinstance(part, dict) and _may_hold_a_network(key):
                yield from _candidates(part, (*keys, key), seen)


def _may_hold_a_network(key: Any) -> bool:
    return isinstance(key, str) and len(key) <= LONGEST and "optim" not in key.lower()


def _named(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by their names in the network.

    The prefixes of wrappers are removed from each name. The name of an attribute is removed if all names begin with it.
    """
    for name in tensors:
        if not 0 < len(name) <= LONGEST or not name.isprintable():
            raise ValueError(f"a tensor has the name {legible(name)!r}")
    names = {name: name for name in tensors}
    while True:
        shorter = {name: _WRAPPERS.sub("", short) for name, short in names.items()}
        outer = {match[0] if (match := _OUTER.match(short)) else "" for short in shorter.values()}
        if len(outer) == 1:
            prefix = outer.pop()
            shorter = {name: short.removeprefix(prefix) for name, short in shorter.items()}
        if shorter == names:
            break
        names = shorter
    found = {short: tensors[name] for name, short in sorted(names.items(), key=lambda item: item[1])}
    if len(found) < len(tensors) or "" in found:
        raise ValueError("two tensors have one name, or one has none, without the prefixes of wrappers")
    return found
