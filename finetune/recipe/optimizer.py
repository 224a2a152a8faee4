"""The optimizers and their constants: Keras' own, the published script's, or given one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from finetune.recipe.checks import ABOVE_0, FROM_0, FROM_0_BELOW_1, TRUTH, Check, listed, one_of
from finetune.recipe.section import UNREAD, Problem, Section, unknown_key

CONSTANTS: dict[str, dict[str, Check]] = {
    "adam": {"beta_1": FROM_0_BELOW_1, "beta_2": FROM_0_BELOW_1, "epsilon": ABOVE_0},
    "adagrad": {"initial_accumulator_value": FROM_0, "epsilon": ABOVE_0},
    "adadelta": {"rho": FROM_0_BELOW_1, "epsilon": ABOVE_0},
    "rmsprop": {"rho": FROM_0_BELOW_1, "momentum": FROM_0_BELOW_1, "epsilon": ABOVE_0},
    "momentum": {"momentum": FROM_0_BELOW_1, "nesterov": TRUTH},
}
"""The optimizers, and the constants that each has under Keras' names."""

FACENET: dict[str, dict[str, float]] = {
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 0.1},
    "adagrad": {"initial_accumulator_value": 0.1},
    "adadelta": {"rho": 0.9, "epsilon": 1e-6},
    "rmsprop": {"rho": 0.9, "momentum": 0.9, "epsilon": 1.0},
    "momentum": {"momentum": 0.9, "nesterov": True},
}
"""What the published training script gives each optimizer, and TensorFlow's defaults there."""

# Keras has momentum as an option of SGD, where it is 0 unless given.
DEFAULTS: dict[str, dict[str, float]] = {"momentum": {"momentum": 0.9}}


def _mapping(value: object) -> dict[Any, object] | None:
    return dict(value) if isinstance(value, Mapping) else None


@dataclasses.dataclass(frozen=True)
class Optimizer(Section):
    """An optimizer and the constants that differ from Keras' defaults.

    Attributes:
        name: `adam`, `adagrad`, `adadelta`, `rmsprop` or `momentum`.
        constants: by Keras' names. Given as `{"constants": "facenet"}`, it becomes those of the
            published script; others beside it come on top.
    """

    name: Annotated[Literal["adam", "adagrad", "adadelta", "rmsprop", "momentum"], one_of(CONSTANTS)] = "adam"
    constants: Annotated[Mapping[str, float], Check("constants by name", _mapping)] = dataclasses.field(
        default_factory=dict
    )

    def _across(self) -> list[Problem]:
        if UNREAD in (self.name, self.constants):
            return []
        constants, problems = _constants(self.name, self.constants)
        object.__setattr__(self, "constants", constants)
        return problems

    def to_value(self) -> dict[str, Any]:
        """`{name: …, epsilon: …}`."""
        return {"name": self.name, **self.constants}


def _constants(name: str, given: Mapping[Any, object]) -> tuple[dict[str, float], list[Problem]]:
    """An optimizer's constants, and what is wrong with those that were given."""
    checks = CONSTANTS[name] | {"constants": one_of(("facenet",))}
    own = FACENET if "constants" in given else DEFAULTS
    kept = dict(own.get(name, {}))
    problems = []
    for key, value in given.items():
        if key not in checks:
            problems.append(Problem((key,), unknown_key(key, ["name", *checks])))
            continue
        try:
            kept[key] = checks[key](value)
        except ValueError as error:
            problems.append(Problem((key,), str(error)))
    kept.pop("constants", None)
    return kept, problems


def _read(value: object) -> Optimizer | None:
    if isinstance(value, Optimizer):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        return None
    constants = dict(value)
    return Optimizer(constants.pop("name", "adam"), constants)


OPTIMIZER = Check(f"{listed(CONSTANTS, 'or')}, or {{name: adam, epsilon: 0.1}}", _read)
