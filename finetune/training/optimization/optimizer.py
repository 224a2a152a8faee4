"""Optimizers and their constants: Keras' own, the published script's, or given one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, create_model

from finetune.schema import Above0, Fault, From0, From0Below1, Section, Unread, Wants, form_of, read_kind
from finetune.words import listed

FACENET: dict[str, dict[str, float]] = {
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 0.1},
    "adagrad": {"initial_accumulator_value": 0.1},
    "adadelta": {"rho": 0.9, "epsilon": 1e-6},
    "rmsprop": {"rho": 0.9, "momentum": 0.9, "epsilon": 1.0},
    "momentum": {"momentum": 0.9, "nesterov": True},
}
"""Constants of each optimizer in the published training script, with TensorFlow's defaults there."""
# In Keras momentum is an option of SGD, with a default of 0.
DEFAULTS: dict[str, dict[str, float]] = {"momentum": {"momentum": 0.9}}

_CONSTANTS: dict[str, Any] = {
    "beta_1": Annotated[From0Below1, Field(description="Decay of the mean of the gradients.")],
    "beta_2": Annotated[From0Below1, Field(description="Decay of the mean of the squared gradients.")],
    "rho": Annotated[From0Below1, Field(description="Decay of the mean of the squared gradients.")],
    "momentum": Annotated[From0Below1, Field(description="Share of the last step that is taken again.")],
    "nesterov": Annotated[bool, Field(description="Whether the gradient is taken after that share of the last step.")],
    "initial_accumulator_value": Annotated[From0, Field(description="What the sum of squared gradients begins with.")],
    "epsilon": Annotated[Above0, Field(description="What is added to the denominator.")],
    "constants": Annotated[
        Literal["facenet"], Field(description="`facenet` for those of the published script; others come on top.")
    ],
}
_NAMES = {
    "adam": ("beta_1", "beta_2", "epsilon", "constants"),
    "adagrad": ("initial_accumulator_value", "epsilon", "constants"),
    "adadelta": ("rho", "epsilon", "constants"),
    "rmsprop": ("rho", "momentum", "epsilon", "constants"),
    "momentum": ("momentum", "nesterov", "constants"),
}


def _form(name: str, keys: tuple[str, ...]) -> type[Section]:
    fields: dict[str, Any] = {"name": (Literal[name], name)} | {key: (_CONSTANTS[key], None) for key in keys}
    return create_model(name, __base__=Section, __doc__="The optimizer; where it is silent, as Keras has it.", **fields)


_FORMS = {name: _form(name, keys) for name, keys in _NAMES.items()}


def _mapping(value: object) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return dict(value)


class Optimizer(Section):
    """Optimizer and its constants, by Keras' names; `{"constants": "facenet"}` selects the published script's."""

    name: Literal["adam", "adagrad", "adadelta", "rmsprop", "momentum"] = "adam"
    constants: Annotated[Mapping[str, float], PlainValidator(_mapping), Wants("constants by name")] = {}

    def rules(self) -> Iterator[Fault]:
        """Read the constants, which depend on the name, and yield their problems."""
        if not self.name or isinstance(self.constants, Unread):
            return
        form = read_kind(_FORMS, {"name": self.name, **self.constants})
        yield from form.faults
        if not form.faults:
            own = FACENET if "constants" in self.constants else DEFAULTS
            given = {key: getattr(form, key) for key in self.constants if key != "constants"}
            self.__dict__["constants"] = own.get(self.name, {}) | given

    def to_value(self) -> dict[str, Any]:
        """Return the optimizer as `{name: …, epsilon: …}`."""
        return {"name": self.name, **self.constants}


def _beside_the_name(value: object) -> object:
    if isinstance(value, Mapping):
        return {"name": value.get("name", "adam"), "constants": {key: value[key] for key in value if key != "name"}}
    return {"name": value} if isinstance(value, str) else value


AnyOptimizer = Annotated[
    Optimizer,
    BeforeValidator(_beside_the_name, form_of(_FORMS)),
    Wants(f"{listed(_FORMS, 'or')}, or {{name: adam, epsilon: 0.1}}"),
]
