"""The names of a file's tensors, changed to those of FaceNet's TF1 variables.

Files hold the network under an outer scope, under the names of a port, as moving averages, or with scales (gamma) that
FaceNet's networks do not have. Each step here takes one of these away, and says so in a remark.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.backbones import BACKBONES, Backbone, Residual, find_port, layers, usual_names
from finetune.checkpoint.formats import Variables
from finetune.errors import CheckpointError, Problem
from finetune.words import counted, listed

AVERAGE = "/ExponentialMovingAverage"
"""Ending of the names of moving averages, as `tf.train.ExponentialMovingAverage` gives them."""
ONES = "scale (gamma) of ones, which changes nothing"
IN_WEIGHTS = "scale (gamma), folded into the weights"
ONLY_FROZEN = "so that only frozen batch norm fits them"
OTHER_FLOATS = ("float16", "bfloat16", "float64")
"""Types other than float32 that are turned into it."""


class Tensor(NamedTuple):
    """A stored tensor: its shape, its type, and the function that reads it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    get: Callable[[], np.ndarray]

    def then(self, change: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        """Return a float32 tensor of the same shape that is changed after it is read."""
        return self._replace(dtype=np.dtype(np.float32), get=lambda: change(self.get()).astype(np.float32))

    def transposed(self, axes: tuple[int, ...] | None) -> Tensor:
        """Return the tensor with its axes in another order."""
        if axes is None or len(axes) != len(self.shape):  # the plan reports a wrong number of axes
            return self
        shape = tuple(self.shape[axis] for axis in axes)
        return self._replace(shape=shape, get=lambda: np.ascontiguousarray(self.get().transpose(axes)))


@dataclasses.dataclass
class _Table:
    """The tensors of a file by name, and what was done to them so far."""

    tensors: dict[str, Tensor]
    where: str | Path
    remarks: list[str] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    own: Backbone | None = None

    def rename(self, names: Mapping[str, str]) -> None:
        """Give tensors other names, at their places."""
        self.tensors = {names.get(name, name): tensor for name, tensor in self.tensors.items()}

    @property
    def backbone(self) -> Backbone | None:
        """The network whose scope the names have, or None."""
        scopes = {name.split("/")[0] for name in self.tensors}
        known = [*BACKBONES.values(), *([self.own] if self.own else [])]
        return next((backbone for backbone in known if backbone.scope in scopes), None)


def in_tf1_names(
    found: Variables,
    where: str | Path = "the checkpoint",
    *,
    averages: bool = False,
    own: Backbone | None = None,
) -> Variables:
    """Return the variables of a file under the names that FaceNet gives them.

    Args:
        found: variables under the file's own names.
        where: the file, as messages name it.
        averages: whether to take the moving averages of variables in place of the variables.
        own: network of the user's own that the file may hold.

    Returns:
        Variables with remarks on all that was changed. What no network needs keeps its own name.

    Raises:
        CheckpointError: the file holds several copies of a network, or no moving averages where they are asked for.
    """
    tensors = {
        name: Tensor(shape, found.dtypes[name], functools.partial(found.get, name))
        for name, shape in found.shapes.items()
    }
    table = _Table(tensors, where, [*found.remarks], dict(found.skipped), own)
    _of_port(table)
    _without_outer_scope(table)
    if backbone := table.backbone:
        _within_scope(table, backbone)
        _averages(table, asked=averages)
        if not backbone.features:
            _with_statistics(table, backbone)
        if not backbone.batch_norm.gamma and not backbone.features:
            _without_gamma(table, backbone)
        _in_float32(table, backbone)
    return Variables(
        {name: tensor.shape for name, tensor in table.tensors.items()},
        {name: tensor.dtype for name, tensor in table.tensors.items()},
        lambda name: table.tensors[name].get(),
        tuple(table.remarks),
        table.skipped,
    )


def _of_port(table: _Table) -> None:
    """Take over the tensors of a port."""
    usual = usual_names(table.tensors)
    known = find_port({usual.get(name, name) for name in table.tensors})
    by_own = find_port(table.tensors, table.own) if table.own else None
    if by_own and by_own[1] is table.own:
        known = by_own
    elif known:
        table.rename(usual)
    if known is None:
        return
    port, backbone = known
    theirs = port.tensors(backbone)
    renamed: dict[str, Tensor] = {}
    for name, tensor in table.tensors.items():
        if name in theirs:
            renamed[theirs[name].variable] = tensor.transposed(theirs[name].axes)
        elif reason := port.reason_to_skip(name):
            table.skipped[name] = reason
        else:
            renamed[name] = tensor
    table.tensors = renamed
    table.remarks.append(f"the names are those of {port.title}")


def _without_outer_scope(table: _Table) -> None:
    """Take away the scope around a network, such as `import/`."""
    firsts = {next(layers(backbone)).variables[0] for backbone in BACKBONES.values()}
    names = {name.removesuffix(AVERAGE) for name in table.tensors}
    outer = {name.removesuffix(first) for name in names for first in firsts if f"/{name}".endswith(f"/{first}")}
    if not outer or "" in outer:
        return
    if len(outer) > 1:
        found = f"holds {len(outer)} copies of the network, under {listed(sorted(outer)[:5], 'and')}"
        raise CheckpointError(Problem(table.where, found, "save one of them by itself"))
    (prefix,) = outer
    table.rename({name: name.removeprefix(prefix) for name in table.tensors})
    table.remarks.append(f"the names lie under {prefix}, which is left out")


def _within_scope(table: _Table, backbone: Backbone) -> None:
    """Move the layer of the embedding into the network's scope. Before May 2017, FaceNet had it outside."""
    outside, inside = f"{backbone.embedding_unit}/", f"{backbone.scope_of(backbone.embedding_unit)}/"
    if any(name.startswith(inside) for name in table.tensors):
        return
    moved = {name: inside + name.removeprefix(outside) for name in table.tensors if name.startswith(outside)}
    if moved:
        table.rename(moved)
        table.remarks.append(f"{outside} lies outside {backbone.scope}/, as before May 2017, and was moved into it")


def _averages(table: _Table, *, asked: bool) -> None:
    """Take moving averages where the variables are missing, or all of them where they are asked for."""
    averages = {name.removesuffix(AVERAGE): name for name in table.tensors if name.endswith(AVERAGE)}
    if asked and not averages:
        raise CheckpointError(
            Problem(table.where, "holds no moving averages", "take its variables: leave out averages")
        )
    taken = {name: average for name, average in averages.items() if asked or name not in table.tensors}
    for name, average in taken.items():
        table.tensors[name] = table.tensors.pop(average)
    if taken:
        why = "as asked" if asked else "for want of the variables"
        table.remarks.append(f"{counted(len(taken), 'variable')} taken from moving averages, {why}")


def _with_statistics(table: _Table, backbone: Backbone) -> None:
    """Give batch normalizations to a network whose statistics are folded into weights and biases.

    Such a network has biases in their place. A mean of 0, a variance of 1 - epsilon and beta equal to the biases give
    the same outputs. Converters leave out biases of zeros.
    """
    held = [layer for layer in layers(backbone) if layer.unit != backbone.head or layer.variables[0] in table.tensors]
    if any("/BatchNorm/" in name for name in table.tensors):
        return
    biased = any(f"{layer.scope}/biases" in table.tensors for layer in held if layer.batch_norm)
    if not (biased and all(layer.variables[0] in table.tensors for layer in held)):
        return
    for layer in held:
        weights = table.tensors[layer.variables[0]]
        zeros = Tensor(weights.shape[-1:], weights.dtype, functools.partial(np.zeros, weights.shape[-1:], np.float32))
        biases = table.tensors.pop(f"{layer.scope}/biases", zeros)
        if not layer.batch_norm:
            table.tensors[f"{layer.scope}/biases"] = biases
            continue
        beta, mean, variance = layer.variables[1:]
        table.tensors[beta] = biases
        table.tensors[mean] = biases.then(np.zeros_like)
        table.tensors[variance] = biases.then(_filled(1 - backbone.batch_norm.epsilon))
    for unit in backbone.units:
        if isinstance(unit.made_of, Residual) and unit.made_of.scale != 1:
            up = f"{backbone.scope_of(unit.name)}/{unit.made_of.up}"
            for name in (f"{up}/weights", f"{up}/biases"):
                table.tensors[name] = table.tensors[name].then(_times(np.float32(1 / unit.made_of.scale)))
    table.remarks.append(f"batch norm's statistics are folded into the weights, {ONLY_FROZEN}")


def _filled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that gives an array with one value of the shape of another."""
    return lambda like: np.full_like(like, value)


def _times(scale: np.ndarray | np.float32) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that multiplies an array."""
    return lambda value: value * scale


def _without_gamma(table: _Table, backbone: Backbone) -> None:
    """Fold the scales of batch normalizations into the weights and the means before them.

    g (w x - m) / s + b equals ((g w) x - g m) / s + b for each channel, so the outputs stay the same.
    """
    folded = 0
    for layer in layers(backbone):
        weights, norm = layer.variables[0], f"{layer.scope}/BatchNorm"
        name = f"{norm}/gamma"
        if name not in table.tensors:
            continue
        gamma = table.tensors[name]
        if gamma.shape != table.tensors.get(weights, gamma).shape[-1:]:
            continue  # the plan reports it
        del table.tensors[name]
        scale = gamma.get()
        table.skipped[name] = ONES
        if (scale == 1).all():
            continue
        table.skipped[name] = IN_WEIGHTS
        folded += 1
        for changed in (weights, f"{norm}/moving_mean"):
            if changed in table.tensors:
                table.tensors[changed] = table.tensors[changed].then(_times(scale))
    if folded:
        table.remarks.append(
            f"scales (gamma) of {counted(folded, 'batch normalization')} are folded into the weights, {ONLY_FROZEN}"
        )


def _in_float32(table: _Table, backbone: Backbone) -> None:
    """Turn the network's variables of other types of numbers into float32."""
    others: dict[str, int] = {}
    for name, tensor in table.tensors.items():
        if tensor.dtype.name in OTHER_FLOATS and backbone.unit_of(name):
            others[tensor.dtype.name] = others.get(tensor.dtype.name, 0) + 1
            table.tensors[name] = tensor.then(lambda value: value)
    for dtype, count in others.items():
        table.remarks.append(f"{counted(count, 'variable')} stored as {dtype}, used as float32")
