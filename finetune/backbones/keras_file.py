"""A network from the configuration in a `.keras` file: its units, without the classifier.

Keras's own layers of image networks can be read, in functional and sequential models and in models within models.
Nothing of the file is executed, and Keras is not needed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from finetune.backbones.backbone import Unit
from finetune.backbones.cutting import cut
from finetune.backbones.graph import Graph, Node
from finetune.backbones.keras_connections import Call, Connections
from finetune.backbones.keras_kinds import IN_TRAINING_ALONE, layer_kind
from finetune.backbones.keras_settings import LARGEST, Settings, Unreadable, shown
from finetune.backbones.layer_kinds import (
    Activation,
    Add,
    Function,
    GlobalAveragePooling2D,
    LayerKind,
    Multiply,
    Rescaling,
)
from finetune.backbones.layer_shapes import UNKNOWN_WEIGHTS, Shape, output_shape, variable_sizes
from finetune.errors import CheckpointError, Problem, bounded

ADVICE = "only Keras's own layers of image networks can be used"
MOST_VALUES = 2**31
"""Largest number of values in all variables."""
OPERATIONS: Mapping[str, Function] = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Silu": "silu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
}
"""Activation functions by Keras's operation."""
PASSING = ("Identity", "Flatten", "Reshape", *IN_TRAINING_ALONE)
"""Classes of layers that may stand between a classifier's weights and its softmax."""


class KerasNetwork(NamedTuple):
    """A network from a Keras file.

    Attributes:
        units: units from the image to features [n, c].
        image: height, width and channels of the input. Height and width are None if the file leaves them open.
        remarks: what was left out of the network, or added to it, one sentence each.
    """

    units: tuple[Unit, ...]
    image: tuple[int | None, int | None, int]
    remarks: tuple[str, ...]


def read_network(config: object) -> KerasNetwork:
    """Return the network that a configuration describes, without its classifier.

    Args:
        config: the content of `config.json`.

    Raises:
        CheckpointError: the network can't be used; one problem per layer, without a place.
    """
    connections = Connections()
    try:
        end = connections.add_model(config)
        if connections.problems:
            raise _refused([*connections.problems, *_unusable(connections.calls, end)])
        image = _image(connections.image)
    except Unreadable as error:
        raise _refused([*connections.problems, str(error)]) from None
    calls, remarks = _without_classifier(connections.calls, end)
    nodes, shape = _nodes(calls, image)
    if len(shape) == 3:
        nodes.append(Node(_free("avg_pool", calls), GlobalAveragePooling2D(), (nodes[-1].name,)))
        remarks.append(f"the output is a feature map, and so the average over its places was added as {nodes[-1].name}")
    elif len(shape) != 1:
        raise _refused([f"ends in an output with {len(shape) + 1} axes, where features [n, c] are needed"])
    units = cut(Graph(tuple(nodes)))
    if not units:
        raise _refused(["holds no convolution and no dense layer"])
    return KerasNetwork(units, image, tuple(remarks))


def _refused(lines: Sequence[str]) -> CheckpointError:
    return CheckpointError(*bounded([Problem("", line, ADVICE) for line in lines], "", ADVICE))


def _image(shape: object) -> tuple[int | None, int | None, int]:
    """Return height, width and channels of the input from the shape that the file states for a batch."""
    if not isinstance(shape, list) or len(shape) != 4:
        raise Unreadable(f"has {shown(shape)} as the shape of its input, not images [n, h, w, c]")
    sizes = shape[1:]
    for size in sizes:
        whole = isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= LARGEST
        if not whole and (size is not None or size is sizes[2]):
            raise Unreadable(f"has an input of {shown(size)} as a size")
    return sizes[0], sizes[1], sizes[2]


def _without_classifier(calls: dict[str, Call], end: str) -> tuple[list[Call], list[str]]:
    """Return the calls that give the features, in order, and remarks on what was left out."""
    remarks = []
    features, classifier = _features(calls, end)
    if classifier:
        remarks.append(f"the classifier {classifier} was left out")
    used = {""}
    for call in reversed(calls.values()):
        if call.name == features or call.name in used:
            used |= {call.name, *call.inputs}
    kept = [call for call in calls.values() if call.name in used]
    off = [call.name for call in kept if call.class_name in IN_TRAINING_ALONE]
    if off:
        names = f"{', '.join(off[:3])}{', …' if len(off) > 3 else ''}"
        remarks.append(f"what acts in Keras's training alone was left out: {names}")
    return kept, remarks


def _features(calls: Mapping[str, Call], end: str) -> tuple[str, str]:
    """Return the layer that gives the features, and the classifier after it, or an empty text without one.

    A classifier is a dense layer or a convolution whose activation is softmax or sigmoid, or one that softmax follows.
    """
    name, softmax = end, False
    while name in calls:
        call = calls[name]
        activation = call.config.get("activation")
        weights = call.class_name in ("Dense", "Conv2D")
        if call.class_name == "Softmax" or (call.class_name == "Activation" and activation in ("softmax", "sigmoid")):
            softmax = True
        elif weights and (softmax or activation in ("softmax", "sigmoid")):
            return _before_dropout(calls, call.inputs[0]), call.name
        elif call.class_name not in PASSING:
            break
        name = call.inputs[0]
    return _before_dropout(calls, end), ""


def _before_dropout(calls: Mapping[str, Call], name: str) -> str:
    """Return the layer before those at the end that do nothing but in training."""
    while name in calls and calls[name].class_name in IN_TRAINING_ALONE:
        name = calls[name].inputs[0]
    return name


def _nodes(calls: Sequence[Call], image: Shape) -> tuple[list[Node], Shape]:
    """Return the nodes of the calls, and the shape of the last one's output.

    Raises:
        CheckpointError: a layer can't be used, or can't take its inputs.
    """
    shapes: dict[str, Shape | None] = {"": image}
    nodes, problems, values = [], [], 0
    for call in calls:
        inputs = [shapes.get(name) for name in call.inputs]
        known = [shape for shape in inputs if shape is not None]
        shapes[call.name] = None  # until the layer is understood; no layer after it is checked against it
        try:
            layer = _kind(call, len(known[0]) if known else None)
            nodes.append(Node(call.name, layer, call.inputs))
            if len(known) == len(inputs):
                shapes[call.name] = output_shape(layer, known)
                values += _values(layer, known[0], call)
        except (Unreadable, ValueError) as error:
            problems.append(f"layer {call.name!r} {error}")
    if values > MOST_VALUES:
        problems.append(f"has {values:,} values in its variables, more than {MOST_VALUES:,}")
    if problems:
        raise _refused(problems)
    shape = shapes[calls[-1].name] if calls else None
    if shape is None or None in shape[2:] or shape == (None,):
        raise _refused(["gives no features whose number is known"])
    return nodes, shape


def _kind(call: Call, rank: int | None) -> LayerKind:
    """Return the kind of a layer, or the kind that does what one of Keras's operations does."""
    if not call.operation:
        if call.constants:
            raise Unreadable("has numbers among its inputs")
        return layer_kind(call.class_name, Settings(call.config, rank))
    match call.class_name, len(call.inputs), call.constants:
        case "Add", 2, ():
            return Add()
        case "Multiply", 2, ():
            return Multiply()
        case "Add", 1, (number,):
            return Rescaling((1.0,), (number,))
        case "Subtract", 1, (number,):
            return Rescaling((1.0,), (-number,))
        case "Multiply", 1, (number,):
            return Rescaling((number,))
        case "Divide" | "TrueDivide", 1, (number,) if number:
            return Rescaling((1.0 / number,))
        case name, 1, () if name in OPERATIONS:
            return Activation(OPERATIONS[name])
    raise Unreadable(f"is the operation {call.class_name}, which can't be used")


def _unusable(calls: Mapping[str, Call], end: str) -> list[str]:
    """Return the problems of the layers before the classifier by themselves, without the shapes of their inputs."""
    _, classifier = _features(calls, end)
    problems = []
    for call in itertools.takewhile(lambda call: call.name != classifier, calls.values()):
        try:
            _kind(call, None)
        except Unreadable as error:
            problems.append(f"layer {call.name!r} {error}")
    return problems


def _values(layer: LayerKind, shape: Shape, call: Call) -> int:
    """Return the number of values in a layer's variables."""
    channels = shape[-1]
    if channels is None:
        if variable_sizes(layer, 1):
            raise Unreadable(UNKNOWN_WEIGHTS)
        return 0
    if call.class_name == "LayerScale" and call.config.get("projection_dim") != channels:
        raise Unreadable(f"has {shown(call.config.get('projection_dim'))} scales for {channels} channels")
    return sum(map(math.prod, variable_sizes(layer, channels).values()))


def _free(name: str, calls: Sequence[Call]) -> str:
    """Return a name that no layer has."""
    taken = {call.name for call in calls}
    return next(one for one in (name, *(f"{name}_{i}" for i in range(1, len(taken) + 2))) if one not in taken)
