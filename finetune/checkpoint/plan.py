"""What becomes of every variable, on both sides: restored, skipped for a reason, fresh, or an error."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping

from finetune.architecture import HEAD, SCOPE
from finetune.brief import Brief
from finetune.errors import CheckpointError

Shape = tuple[int, ...]

EMBEDDING_WEIGHTS = f"{SCOPE}/Bottleneck/weights"
HEAD_WEIGHTS = f"{HEAD}/weights"
HEAD_VARIABLES = (HEAD_WEIGHTS, f"{HEAD}/biases")

_TRAINING_STATE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/(Adam|Adagrad|Adadelta|RMSProp|Momentum)(_\d+)?$"), "state of its optimizer"),
    (re.compile(r"(^|/)beta[12]_power(_\d+)?$"), "state of its optimizer"),
    (re.compile(r"/ExponentialMovingAverage$"), "moving average that its training kept of a variable"),
    (re.compile(r"(^|/)avg(/biased|/local_step)?$"), "moving average that its training kept of a loss"),
    (re.compile(r"^centers$"), "class centers of its center loss"),
)
"""What FaceNet's trainings may leave in a checkpoint besides the network, and what each is."""

_STEP_COUNTS = frozenset({"global_step", "Variable"})  # FaceNet gives its own no name

_OTHER_NETWORKS = {
    "InceptionResnetV2": "Inception-ResNet-v2",
    "squeezenet": "SqueezeNet",
    "pnet": "MTCNN",
}
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the shapes in a checkpoint tell.

    Attributes:
        embedding_size: values in an embedding.
        num_classes: people whom its classifier tells apart; None where it holds no weights of one.
    """

    embedding_size: int
    num_classes: int | None


@dataclasses.dataclass(frozen=True, repr=False)
class RestorePlan(Brief):
    """Every variable of the checkpoint and of the network, each in one place.

    Attributes:
        restored: names that are read, in the order of the network.
        skipped: stored names that are left alone, and why.
        fresh: names of the network that start anew.
    """

    restored: tuple[str, ...]
    skipped: Mapping[str, str]
    fresh: tuple[str, ...]


def contents(stored: Mapping[str, Shape], where: object = "the checkpoint") -> Contents:
    """Reads the embedding's size and the number of classes from the shapes of the stored variables.

    Args:
        where: the checkpoint, as messages name it.

    Raises:
        CheckpointError: this is no Inception-ResNet-v1 as FaceNet builds it.
    """
    _check_network(stored, where)
    if EMBEDDING_WEIGHTS not in stored:
        raise CheckpointError(f"{where} {EMBEDDING_WEIGHTS}: missing; without it there is no embedding")
    for name in (EMBEDDING_WEIGHTS, HEAD_WEIGHTS):
        if len(stored.get(name, (0, 0))) != 2:
            raise CheckpointError(f"{where} {name}: shape {list(stored[name])}; the network needs two dimensions")
    head = stored.get(HEAD_WEIGHTS)
    return Contents(stored[EMBEDDING_WEIGHTS][1], head[1] if head else None)


def holds_head(stored: Collection[str]) -> bool:
    """Return whether a checkpoint holds the whole classifier: FaceNet's has weights and biases."""
    return all(name in stored for name in HEAD_VARIABLES)


def plan_restore(
    stored: Mapping[str, Shape],
    needed: Mapping[str, Shape],
    fresh: Collection[str] = (),
    *,
    where: object = "the checkpoint",
) -> RestorePlan:
    """Decides on every variable; nothing is restored, or left out, silently.

    Args:
        stored: shapes in the checkpoint, by TF1 name.
        needed: shapes in the network, by TF1 name.
        fresh: those of `needed` that are not to be restored, whatever the checkpoint holds.
        where: the checkpoint, as messages name it.

    Raises:
        CheckpointError: another network's checkpoint; or one line for each variable that is missing, of
            another shape, or stored without a reason to leave it out.
    """
    _check_network(stored, where)
    wanted = {name: tuple(shape) for name, shape in needed.items() if name not in fresh}
    problems, skipped = [], {}
    for name, shape in wanted.items():
        if name not in stored:
            problems.append(f"{where} {name}: missing; the network needs shape {list(shape)}")
        elif tuple(stored[name]) != shape:
            problems.append(f"{where} {name}: shape {list(stored[name])}; the network needs {list(shape)}")
    for name in sorted(stored.keys() - wanted.keys()):
        reason = _reason_to_skip(name, stored)
        if reason is None:
            problems.append(f"{where} {name}: shape {list(stored[name])}; the network has no such variable")
        else:
            skipped[name] = reason
    if problems:
        raise CheckpointError(*problems)
    return RestorePlan(tuple(wanted), skipped, tuple(fresh))


def _reason_to_skip(name: str, stored: Mapping[str, Shape]) -> str | None:
    for pattern, reason in _TRAINING_STATE:
        if pattern.search(name):
            return reason
    shape = stored[name]
    if name in _STEP_COUNTS and not shape:
        return "step count of its training"
    if name in HEAD_VARIABLES and shape:
        missing = [other for other in HEAD_VARIABLES if other not in stored]
        without = f" without {missing[0]}, which gives no logits" if missing else ""
        return f"the old classifier of {shape[-1]} classes{without}"
    return None


def _check_network(stored: Mapping[str, Shape], where: object) -> None:
    """Says in one line that a checkpoint is another network's, before each variable is compared."""
    scopes = sorted({name.split("/")[0] for name in stored})
    if SCOPE in scopes:
        return
    known = next((network for scope, network in _OTHER_NETWORKS.items() if scope in scopes), None)
    if known:
        found = f"holds {known}"
    elif _OBJECT_GRAPH in scopes:
        found = "is a TensorFlow 2 checkpoint of objects, not of a TF1 Saver"
    else:
        found = f"holds another network, with variables under {', '.join(scopes[:5])}" if scopes else "is empty"
    raise CheckpointError(f"{where}: {found}; give a checkpoint of FaceNet's Inception-ResNet-v1")
