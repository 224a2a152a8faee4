"""The restore plan, which decides on every variable: restored, skipped for a reason, fresh, or an error."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from finetune.backbones import CHANNELS, Backbone, Channels, recognise
from finetune.brief import Brief
from finetune.errors import CheckpointError, Problem

Shape = tuple[int, ...]

_TRAINING_STATE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/(Adam|AdamW|LazyAdam|Adagrad|Adadelta|Ftrl|RMSProp|Momentum)(_\d+)?$"), "state of its optimizer"),
    (re.compile(r"(^|/)beta[12]_power(_\d+)?$"), "state of its optimizer"),
    (re.compile(r"/ExponentialMovingAverage$"), "moving average that its training kept of a variable"),
    (re.compile(r"(^|/)avg(/biased|/local_step)?$"), "moving average that its training kept of a loss"),
    (re.compile(r"^centers$"), "class centers of its center loss"),
)
"""Variables that FaceNet's training scripts may store besides the network, with a description of each."""

_STEP_COUNTS = frozenset({"global_step", "Variable"})  # FaceNet's own step count is unnamed, hence "Variable"


@dataclasses.dataclass(frozen=True)
class Contents:
    """The properties of a checkpoint that its shapes reveal.

    Attributes:
        backbone: network of the checkpoint.
        embedding_size: number of values in an embedding.
        num_classes: number of classes of the stored classifier; None without classifier weights.
        channels: channels that the first layer takes.
    """

    backbone: Backbone
    embedding_size: int
    num_classes: int | None
    channels: Channels = "rgb"


@dataclasses.dataclass(frozen=True, repr=False)
class RestorePlan(Brief):
    """The decision about every variable of the checkpoint and of the network, each of which is listed once.

    Attributes:
        restored: names of the restored variables, in the order of the network.
        skipped: names of the skipped stored variables, with reasons.
        fresh: names of the network's variables that are initialized afresh.
    """

    restored: tuple[str, ...]
    skipped: Mapping[str, str]
    fresh: tuple[str, ...]


class Beginning(NamedTuple):
    """A network that begins with weights that may lack its neck.

    Attributes:
        backbone: the network.
        embedding_size: number of values in an embedding; None for what the weights have, or what is usual.
    """

    backbone: Backbone
    embedding_size: int | None = None


def contents(
    stored: Mapping[str, Shape],
    where: str | Path = "the checkpoint",
    beginning: Beginning | None = None,
    own: Backbone | None = None,
) -> Contents:
    """Find the network, the embedding size and the number of classes from the shapes of the stored variables.

    Args:
        stored: shapes in the checkpoint, by TF1 name.
        where: the checkpoint, as messages name it.
        beginning: network whose neck the checkpoint may lack.
        own: network of the user's own that the checkpoint may hold.

    Raises:
        CheckpointError: the checkpoint holds no backbone as FaceNet builds it.
    """
    wanted = beginning.backbone if beginning else None
    backbone = recognise(stored, where, own, wanted)
    if wanted and wanted.name != backbone.name:
        found = f"holds {backbone.title}, where the recipe says backbone: {wanted.name}"
        raise CheckpointError(Problem(where, found, f"give weights of {wanted.title}, or set backbone"))
    embedding, (head, _) = backbone.embedding_weights, backbone.head_variables
    if embedding not in stored and not (beginning and backbone.features):
        advice = "give it as weights, with a new layer for the embedding" if backbone.features else ""
        raise CheckpointError(Problem(f"{where} {embedding}", "missing; without it there is no embedding", advice))
    for name in (embedding, head):
        if len(stored.get(name, (0, 0))) != 2:
            found = f"shape {list(stored[name])}; the network needs two dimensions"
            raise CheckpointError(Problem(f"{where} {name}", found))
    first = stored.get(backbone.first_kernel, ())
    channels: Channels = "grey" if first[-2:-1] == (CHANNELS["grey"],) else "rgb"
    size = stored[embedding][1] if embedding in stored else backbone.embedding_size
    if beginning and backbone.features and (embedding not in stored or beginning.embedding_size):
        backbone, size = beginning.backbone, beginning.embedding_size or size
    return Contents(backbone, size, stored[head][1] if head in stored else None, channels)


def holds_head(backbone: Backbone, stored: Collection[str]) -> bool:
    """Return whether a checkpoint holds a whole classifier, with weights and biases as in FaceNet."""
    return all(name in stored for name in backbone.head_variables)


def plan_restore(
    backbone: Backbone,
    stored: Mapping[str, Shape],
    needed: Mapping[str, Shape],
    fresh: Collection[str] = (),
    *,
    where: object = "the checkpoint",
    skipped: Mapping[str, str] | None = None,
    advice: str = "",
) -> RestorePlan:
    """Decide on every variable. None is restored or skipped silently.

    Args:
        backbone: network to restore.
        stored: shapes in the checkpoint, by TF1 name.
        needed: shapes in the network, by TF1 name.
        fresh: names in `needed` that are not restored, whatever the checkpoint holds.
        where: the checkpoint, as messages name it.
        skipped: names in the files that are not in `stored`, with reasons.
        advice: advice for a variable of another shape.

    Raises:
        CheckpointError: a variable is missing, has another shape, or lies in the network's scope without a known reason
            to skip it; one line per variable.
    """
    wanted = {name: tuple(shape) for name, shape in needed.items() if name not in fresh}
    problems: list[Problem] = []
    reasons = dict(skipped or {})
    for name, shape in wanted.items():
        if name not in stored:
            problems.append(Problem(f"{where} {name}", f"missing; the network needs shape {list(shape)}"))
        elif tuple(stored[name]) != shape:
            found = f"shape {list(stored[name])}; the network needs {list(shape)}"
            problems.append(Problem(f"{where} {name}", found, advice))
    for name in sorted(stored.keys() - wanted.keys()):
        reason = _reason_to_skip(backbone, name, stored)
        if reason is None:
            found = f"shape {list(stored[name])}; the network has no such variable"
            problems.append(Problem(f"{where} {name}", found))
        else:
            reasons[name] = reason
    if problems:
        raise CheckpointError(*problems)
    return RestorePlan(tuple(wanted), reasons, tuple(fresh))


def _reason_to_skip(backbone: Backbone, name: str, stored: Mapping[str, Shape]) -> str | None:
    for pattern, reason in _TRAINING_STATE:
        if pattern.search(name):
            return reason
    shape = stored[name]
    if name in _STEP_COUNTS and not shape:
        return "step count of its training"
    if name in backbone.head_variables and shape:
        missing = [other for other in backbone.head_variables if other not in stored]
        without = f" without {missing[0]}, which gives no logits" if missing else ""
        return f"the old classifier of {shape[-1]} classes{without}"
    unit = backbone.unit_of(name)
    if unit == backbone.head:
        return "part of another classifier"
    if unit is None and not name.startswith(f"{backbone.scope}/"):
        return "part of no unit of the network"
    return None
