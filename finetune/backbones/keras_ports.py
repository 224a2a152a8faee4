"""Names in files of Keras for its own networks: by layer, and by the number of the layer among those of its kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from finetune.backbones.backbone import Backbone
from finetune.backbones.graph import Graph, Node
from finetune.backbones.keras_networks import KERAS_NETWORKS
from finetune.backbones.layer_kinds import DepthwiseConv2D
from finetune.backbones.layer_shapes import variable_sizes
from finetune.backbones.neck import HIDDEN
from finetune.backbones.placed_layers import STATISTICS
from finetune.backbones.port import Port, Theirs

AUTOMATIC = re.compile(
    r"(?P<kind>conv2d|depthwise_conv2d|separable_conv2d|batch_normalization|layer_normalization)"
    r"(_(?P<number>\d{1,6}))?(?P<rest>/\w+)"
)
"""Name of a variable of a layer that Keras named by itself."""
WITHIN_MODEL = re.compile(r"convnext_tiny_(?P<model>stem|downsampling)_(conv|layernorm)(_(?P<number>\d))?")
"""Names of layers that Keras's ConvNeXt has within models of their own."""
SCALE = re.compile(r"(?<=_layer_scale)/variable(_\d+)?$")
"""End of the name of a scale, which Keras's ConvNeXt does not name in its older format."""
MOST_HIDDEN = 4
"""Largest number of hidden layers of a neck whose names are known."""
NAMES = tuple(backbone.name for backbone in KERAS_NETWORKS)


def _by_layer(backbone: Backbone) -> dict[str, Theirs]:
    """Return the tensors as `LAYER/kernel` and so on. Those of the neck and the head have the names of our exports."""
    found: dict[str, Theirs] = {}
    for scope, node in _nodes(backbone):
        for name in variable_sizes(node.layer, 1):
            found[f"{node.name}/{name}"] = Theirs(f"{scope}/{node.name}/{name}")
        if isinstance(node.layer, DepthwiseConv2D):  # as Keras 2 names it
            found[f"{node.name}/depthwise_kernel"] = Theirs(f"{scope}/{node.name}/kernel")
    hidden = (HIDDEN.format(number) for number in range(1, MOST_HIDDEN + 1))
    for unit in (*hidden, backbone.embedding_unit, backbone.head):
        scope = backbone.scope_of(unit)
        names = {"/kernel": "weights", "/bias": "biases"}
        names |= {f"_BatchNorm/{statistic}": f"BatchNorm/{statistic}" for statistic in STATISTICS}
        found |= {f"{unit}{end}": Theirs(f"{scope}/{name}") for end, name in names.items()}
    return found


def _by_number(backbone: Backbone) -> dict[str, Theirs]:
    """Return the tensors by their paths in a file of Keras 3: `layers/conv2d_2/vars/0`."""
    found: dict[str, Theirs] = {}
    counts: Counter[str] = Counter()
    models: list[str] = []

    def numbered(kind: str, within: str) -> str:
        number = counts[f"{within}{kind}"]
        counts[f"{within}{kind}"] += 1
        return f"{within}layers/{kind}{f'_{number}' if number else ''}/"

    for scope, node in keras_order(backbone):
        names, within = tuple(variable_sizes(node.layer, 1)), ""
        if match := WITHIN_MODEL.fullmatch(node.name):
            model = match["model"] + (match["number"] or "")
            models += [model] if model not in models else []
            place = models.index(model)
            within = f"layers/sequential{f'_{place}' if place else ''}/"
        kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(node.layer).__name__).lower().replace("conv2_d", "conv2d")
        layer = numbered(kind, within)
        for number, name in enumerate(names):
            found[f"{layer}vars/{number}"] = Theirs(f"{scope}/{node.name}/{name}")
    return found


def _nodes(backbone: Backbone) -> Iterator[tuple[str, Node]]:
    """Yield each layer of the graphs with the scope of its unit."""
    for unit in backbone.units:
        if isinstance(unit.made_of, Graph):
            yield from ((backbone.scope_of(unit.name), node) for node in unit.made_of.nodes)


def usual_names(names: Iterable[str]) -> dict[str, str]:
    """Return names with Keras's automatic numbers counted from the first layer of the network.

    Keras numbers on through a whole program: a network's first convolution may be `conv2d_94`. Scales without a name
    get theirs.
    """
    numbers: dict[str, set[int]] = {}
    found = [(name, match) for name in names if (match := AUTOMATIC.fullmatch(name))]
    scales = {name: SCALE.sub("/gamma", name) for name in names if SCALE.search(name)}
    for _, match in found:
        numbers.setdefault(match["kind"], set()).add(int(match["number"] or 0))
    places = {kind: {number: place for place, number in enumerate(sorted(of))} for kind, of in numbers.items()}

    def name_of(match: re.Match[str]) -> str:
        place = places[match["kind"]][int(match["number"] or 0)]
        return f"{match['kind']}{f'_{place}' if place else ''}{match['rest']}"

    return {name: name_of(match) for name, match in found} | scales


def keras_order(backbone: Backbone) -> list[tuple[str, Node]]:
    """Return the layers in the order of a Keras model's layers, each with the scope of its unit.

    Keras sorts layers by their largest distance from the output. Those at one distance are sorted by the time of
    the first visit of a search from the output, which goes to the inputs of a layer in their order.
    """
    layers = {node.name: (scope, node) for scope, node in _nodes(backbone)}
    before: dict[str, tuple[str, ...]] = {}
    last = ""
    for unit in backbone.units:
        if isinstance(unit.made_of, Graph):
            for node in unit.made_of.nodes:
                before[node.name] = tuple(name or last for name in node.inputs)
            last = unit.made_of.nodes[-1].name
    distance = dict.fromkeys(before, 0)
    for name in reversed(before):  # each layer after those that use it
        for source in before[name]:
            if source:
                distance[source] = max(distance[source], distance[name] + 1)
    visits: dict[str, int] = {}
    stack = [last]
    while stack:
        name = stack.pop()
        if name and name not in visits:
            visits[name] = len(visits)
            stack += reversed(before[name])
    return [layers[name] for name in sorted(before, key=lambda name: (-distance[name], visits[name]))]


OTHERS = {
    "normalization/": "standardization, which the preprocessing does",
    "predictions/": "classifier of the file's own classes",
    "optimizer_weights/": "state of its optimizer",
    "optimizer/": "state of its optimizer",
    "layers/normalization/": "standardization, which the preprocessing does",
    "layers/dense/vars/": "classifier of the file's own classes",
}
"""Beginnings of the names of other tensors in files of Keras's networks, with a description of each."""
OPTIONAL = re.compile(r"(Neck_\d+|Bottleneck|Logits)(_BatchNorm)?/|.*/depthwise_kernel$")
"""Names that a file may lack: those of the neck and the head, and those of Keras 2."""
KERAS_LAYERS = Port("keras-layers", "Keras's layers", NAMES, _by_layer, optional=OPTIONAL, starts=OTHERS)
KERAS_LAYER_NUMBERS = Port("keras-layer-numbers", "Keras's layers, by their numbers", NAMES, _by_number, starts=OTHERS)
