"""The layers of a Keras configuration with their connections, with nested models unfolded.

A configuration says for each layer which outputs it was called on. Keras 3 stores the arguments of the call, and
Keras 2 a list of [layer, call, output].
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from finetune.backbones.keras_kinds import IN_TRAINING_ALONE
from finetune.backbones.keras_settings import Unreadable, shown
from finetune.words import escaped

MODELS = ("Functional", "Model", "Sequential")
MOST_LAYERS = 10_000
DEEPEST = 8
"""Largest number of models within one another."""
NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
"""Names of layers, which become parts of variable names."""
TENSOR = "__keras_tensor__"
UNCLEAR = "has inputs that can't be read"


class Call(NamedTuple):
    """A layer with what it was called on.

    Attributes:
        name: name of the layer.
        class_name: Keras's class of the layer.
        config: its settings.
        inputs: names of the layers whose outputs it takes; empty for the image.
        constants: numbers among its arguments.
        operation: whether it is one of Keras's operations on tensors, and not a layer.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    constants: tuple[float, ...] = ()
    operation: bool = False


class Connections:
    """The calls of a model and of those nested in it, each after those whose outputs it takes.

    Attributes:
        calls: the calls by layer's name, in order.
        problems: what can't be used, one line each.
        image: height, width and channels of the model's input, or None if it does not say them.
    """

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.problems: list[str] = []
        self.image: object = None

    def add_model(self, model: object, source: str = "", depth: int = 0) -> str:
        """Add the layers of a model, which takes the output of the layer `source`; return the layer that ends it.

        Raises:
            Unreadable: the model can't be read at all.
        """
        class_name, config = _class_and_config(model)
        if depth > DEEPEST:
            raise Unreadable(f"holds models within models, more than {DEEPEST} deep")
        layers = config.get("layers")
        if not isinstance(layers, list) or not all(isinstance(layer, Mapping) for layer in layers):
            raise Unreadable("holds a model without a list of layers")
        if len(self.calls) + len(layers) > MOST_LAYERS:
            raise Unreadable(f"holds more than {MOST_LAYERS} layers")
        if class_name == "Sequential":
            return self._add_sequence(config, layers, source, depth)
        return self._add_graph(config, layers, source, depth)

    def _add_sequence(self, config: Mapping[str, Any], layers: list[Any], source: str, depth: int) -> str:
        """Add the layers of a sequential model."""
        if not depth:
            self.image = config.get("build_input_shape")
        for layer in layers:
            if layer.get("class_name") == "InputLayer":
                self._take_image(layer, depth)
            else:
                source = self._add(layer, (source,), (), depth)
        return source

    def _add_graph(self, config: Mapping[str, Any], layers: list[Any], source: str, depth: int) -> str:
        """Add the layers of a functional model in the order in which they can be computed."""
        (start,), (end,) = (_single(config, key) for key in ("input_layers", "output_layers"))
        named = {_name(layer): layer for layer in layers}
        if len(named) < len(layers):
            raise Unreadable("holds two layers of one name")
        self._take_image(named.get(start, {}), depth)
        arguments = {}
        for name, layer in named.items():
            try:
                arguments[name] = _arguments(layer) if name != start else ((), ())
            except Unreadable as error:
                self.problems.append(f"layer {name!r} {error}")
                arguments[name] = (), ()
        before = {name: inputs for name, (inputs, _) in arguments.items()}
        used = _needed(end, before)
        if start not in used and not self.problems:
            raise Unreadable("has an output that does not come from its input")
        ends = {start: source}
        try:
            order = tuple(
                graphlib.TopologicalSorter({name: before[name] for name in named if name in used}).static_order()
            )
        except graphlib.CycleError:
            raise Unreadable("holds layers that wait for one another") from None
        for name in order:
            inputs, constants = arguments[name]
            if inputs:
                ends[name] = self._add(named[name], tuple(ends.get(one, "") for one in inputs), constants, depth)
        return ends.get(end, "")

    def _add(self, layer: Mapping[str, Any], inputs: tuple[str, ...], constants: tuple[float, ...], depth: int) -> str:
        """Add a layer, or a nested model; return the name of the layer that gives the output."""
        name, class_name = _name(layer), layer.get("class_name")
        try:
            if class_name in MODELS:
                if len(inputs) != 1:
                    raise Unreadable(f"takes {len(inputs)} inputs")
                return self.add_model(layer, inputs[0], depth + 1)
            class_name, config = _class_and_config(layer)
        except Unreadable as error:
            self.problems.append(f"layer {name!r} {error}")
            return name
        if name in self.calls:
            self.problems.append(f"two layers are named {name!r}")
        operation = str(layer.get("module")).startswith("keras.src.ops")
        self.calls[name] = Call(name, class_name, config, inputs, constants, operation)
        return name

    def _take_image(self, layer: Mapping[str, Any], depth: int) -> None:
        """Keep the shape that the model's input layer states."""
        config = layer.get("config")
        if not depth and isinstance(config, Mapping):
            self.image = config.get("batch_shape", config.get("batch_input_shape"))


def _class_and_config(layer: object) -> tuple[str, Mapping[str, Any]]:
    """Return class and configuration of one of Keras's own layers or models."""
    if not isinstance(layer, Mapping) or not isinstance(layer.get("config"), Mapping):
        raise Unreadable("has no configuration")
    class_name, module, registered = (layer.get(key) for key in ("class_name", "module", "registered_name"))
    if class_name == "Lambda":
        raise Unreadable("is a Lambda, whose code would have to be executed")
    own = str(module or ("keras" if not registered else "")).split(".")[0] in ("keras", "tf_keras")
    if not isinstance(class_name, str) or not own or registered not in (None, class_name):
        told = repr(escaped(class_name[:60])) if isinstance(class_name, str) else shown(class_name)
        raise Unreadable(f"is of the class {told}, which is not Keras's own")
    return class_name, layer["config"]


def _name(layer: Mapping[str, Any]) -> str:
    """Return the name of a layer."""
    config = layer.get("config")
    name = layer.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        found = f"the name {escaped(name[:60])!r}" if isinstance(name, str) else shown(name)
        raise Unreadable(f"holds a layer with {found} in place of a name of letters, digits, dots, _ and -")
    return name


def _single(config: Mapping[str, Any], key: str) -> tuple[str]:
    """Return the only input or output of a model: [name, call, output], or a list that holds one of these."""
    found = config.get(key)
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        (found,) = found
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        count = len(found) if isinstance(found, list | Mapping) else 0
        raise Unreadable(f"has {count} {key.replace('_', ' ')}, where one can be used")
    return (found[0],)


def _needed(end: str, before: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the layers that the output depends on."""
    needed, waiting = set(), [end]
    while waiting:
        name = waiting.pop()
        if name not in before:
            raise Unreadable(f"takes the output of a layer {escaped(name[:60])!r} that it does not hold")
        if name not in needed:
            needed.add(name)
            waiting += before[name]
    return needed


def _arguments(layer: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the layers whose outputs a layer was called on, and the numbers among its arguments."""
    calls = layer.get("inbound_nodes")
    if not isinstance(calls, list) or not calls:
        raise Unreadable("takes no input, where only the model's input does")
    if len(calls) > 1:
        raise Unreadable(f"is shared: it is called {len(calls)} times")
    (call,) = calls
    if isinstance(call, list):
        return _of_keras_2(call), ()
    if not isinstance(call, Mapping) or not isinstance(call.get("args"), list):
        raise Unreadable(UNCLEAR)
    class_name = layer.get("class_name")
    _check(call.get("kwargs"), training=isinstance(class_name, str) and class_name in IN_TRAINING_ALONE)
    found = [one for argument in call["args"] for one in (argument if isinstance(argument, list) else [argument])]
    tensors = tuple(_source(one) for one in found if isinstance(one, Mapping))
    constants = [one for one in found if not isinstance(one, Mapping) and one is not None]
    commutes = class_name in ("Add", "Multiply")
    if not tensors or not (isinstance(found[0], Mapping) or commutes) or not all(map(_is_small, constants)):
        raise Unreadable(UNCLEAR)
    return tensors, tuple(map(float, constants))


def _is_small(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < 1e9


def _source(tensor: Mapping[str, Any]) -> str:
    """Return the layer that gives a tensor of Keras 3."""
    config = tensor.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if tensor.get("class_name") != TENSOR or not isinstance(history, list) or len(history) != 3:
        raise Unreadable(UNCLEAR)
    return _first_output(*history)


def _of_keras_2(call: list[Any]) -> tuple[str, ...]:
    """Return the layers that a call of Keras 2 takes."""
    sources = []
    for one in call:
        if not isinstance(one, list) or not 3 <= len(one) <= 4:
            raise Unreadable(UNCLEAR)
        _check(one[3] if len(one) == 4 else None)
        sources.append(_first_output(*one[:3]))
    if not sources:
        raise Unreadable(UNCLEAR)
    return tuple(sources)


def _first_output(name: object, call: object, output: object) -> str:
    if not isinstance(name, str) or isinstance(call, bool) or (call, output) != (0, 0):
        raise Unreadable("takes the output of a second call, or a second output, of a layer")
    return name


def _check(kwargs: object, *, training: bool = False) -> None:
    """Require that no argument by keyword changes the output; `training` may say so of a layer that is left out."""
    for key, value in kwargs.items() if isinstance(kwargs, Mapping) else ():
        if value is not None and not (key == "training" and (training or value is False)):
            raise Unreadable(f"is called with {escaped(str(key)[:60])}={shown(value)}")
