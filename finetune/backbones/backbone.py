"""A network as an ordered list of units. It can be cut between any two of them."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Mapping
from typing import Literal, NamedTuple

from finetune.backbones.graph import STATISTICS, Graph
from finetune.backbones.specs import BatchNorm, Dense, Spec, flattens, has_variables
from finetune.errors import Problem, UserError

Weights = Literal["variables", "averages"]
"""Source of a checkpoint's values: its variables, or the moving averages that its training kept of them."""
WEIGHTS: tuple[Weights, ...] = ("variables", "averages")
Standardization = Literal["fixed", "per_image", "unit", "symmetric", "imagenet", "none"]
STANDARDIZATIONS: tuple[Standardization, ...] = ("fixed", "per_image", "unit", "symmetric", "imagenet", "none")
FACENET_STANDARDIZATIONS: tuple[Standardization, ...] = ("fixed", "per_image")
"""Standardizations of FaceNet's training script."""
Channels = Literal["rgb", "grey"]
CHANNELS: Mapping[Channels, int] = {"rgb": 3, "grey": 1}
"""Number of channels by name."""
BATCH_NORM = BatchNorm()


class Unit(NamedTuple):
    """A part of a network that is frozen or trained as a whole.

    Attributes:
        name: variable scope of the unit, below the network's scope. Units of one repeat share the part before the
            slash.
        made_of: layers of the unit.
    """

    name: str
    made_of: Spec


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network: its units from pixels to classifier, under the names of its checkpoints.

    Attributes:
        name: name in recipes.
        title: name in papers.
        scope: variable scope of every unit but the head.
        units: units from the input to the head, which is the last one. The unit before the head gives the prelogits.
        least_image_size: smallest image side in pixels. A smaller image vanishes before the last pooling.
        float32_units: units that compute in float32 at any precision.
        batch_norm: settings of every batch normalization.
        embedding_unit: unit that gives the prelogits.
        head: classifier, which is not restored for new people.
        dropout_before: unit before which dropout acts.
        image_size: side in pixels of the images that a training from scratch takes by default.
        standardization: standardization of such a training, as `finetune.images` names it.
        channels: `rgb` or `grey`, for such a training.
        embedding_size: number of values in an embedding of such a training.
        features: number of pooled features that a neck takes; 0 for a network whose embedding layer is fixed.
        keras_name: name in `keras.applications`; empty for networks that it does not have.
        description: JSON that describes a network of the user's own; empty for the others.
    """

    name: str
    title: str
    scope: str
    units: tuple[Unit, ...]
    least_image_size: int
    float32_units: frozenset[str]
    batch_norm: BatchNorm = BATCH_NORM
    embedding_unit: str = "Bottleneck"
    head: str = "Logits"
    dropout_before: str = "Bottleneck"
    image_size: int = 160
    standardization: Standardization = "fixed"
    channels: Channels = "rgb"
    embedding_size: int = 512
    features: int = 0
    keras_name: str = ""
    description: str = ""

    def boundary(self, train_from: str) -> int:
        """Return the index of the first trained unit; all units before it are frozen.

        Args:
            train_from: a unit with variables, or a repeat, which stands for its first unit.

        Raises:
            UserError: `train_from` is not a boundary; the problem names the nearest one.
        """
        if train_from not in self.boundaries:
            near = difflib.get_close_matches(train_from, self.boundaries, n=1, cutoff=0.4)
            advice = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(self.boundaries)}"
            raise UserError(Problem("", f"no block {train_from!r}", advice))
        return next(i for i, name in enumerate(self.names) if f"{name}/".startswith(f"{train_from}/"))

    def end(self, train_to: str | None) -> int:
        """Return the index after the last trained unit that is not the head; all units from it to the head are frozen.

        Args:
            train_to: a unit with variables, or a repeat, which stands for its last unit; None for the last before the
                head.

        Raises:
            UserError: `train_to` is not a boundary; the problem names the nearest one.
        """
        if train_to is None:
            return self.head_index
        units = [i for i, name in enumerate(self.names) if f"{name}/".startswith(f"{train_to}/")]
        return max(units, default=self.boundary(train_to)) + 1

    @functools.cached_property
    def boundaries(self) -> tuple[str, ...]:
        """Valid values of `train_from`: the repeats, then the units with variables."""
        repeats = dict.fromkeys(name.split("/")[0] for name in self.names if "/" in name)
        return (*repeats, *(unit.name for unit in self.units if has_variables(unit.made_of)))

    @functools.cached_property
    def blocks(self) -> tuple[str, ...]:
        """The parts with variables, from the input to the head; a repeat counts as one part."""
        repeats_and_units = (name.split("/")[0] for name in self.names if name in self.boundaries)
        return tuple(dict.fromkeys(repeats_and_units))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the units, in order."""
        return tuple(unit.name for unit in self.units)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The height, width and number of channels of the images that a training from scratch takes by default."""
        return self.image_size, self.image_size, CHANNELS[self.channels]

    @property
    def head_index(self) -> int:
        """The index of the head, where the units that give the prelogits end."""
        return len(self.units) - 1

    @property
    def flattens(self) -> bool:
        """Whether the places of an image are put in one row, so that the weights are of one image size."""
        return any(flattens(unit.made_of) for unit in self.units)

    @functools.cached_property
    def first_kernel(self) -> str:
        """The TF1 name of the weights of the first layer, [h, w, channels, filters]."""
        unit = self.units[0]
        scope = self.scope_of(unit.name)
        if isinstance(unit.made_of, Graph):
            from finetune.backbones.layer_shapes import variable_names

            return next(f"{scope}/{name}" for name in variable_names(unit.made_of) if name.endswith("kernel"))
        return f"{scope}/weights"

    @property
    def head_variables(self) -> tuple[str, str]:
        """The TF1 names of the classifier's weights and biases."""
        return f"{self.head}/weights", f"{self.head}/biases"

    @property
    def embedding_weights(self) -> str:
        """The TF1 name of the weights [features, embedding_size] that give the prelogits."""
        return f"{self.scope_of(self.embedding_unit)}/weights"

    def scope_of(self, unit: str) -> str:
        """Return the variable scope of a unit."""
        return unit if unit == self.head else f"{self.scope}/{unit}"

    def unit_of(self, variable: str) -> str | None:
        """Return the unit that a TF1 variable belongs to, or None without such a unit."""
        return next((name for name in self.names if variable.startswith(f"{self.scope_of(name)}/")), None)

    def index_of(self, variable: str) -> int:
        """Return the index of the unit that a TF1 variable belongs to.

        Raises:
            ValueError: the variable belongs to no unit.
        """
        return self.names.index(self.unit_of(variable) or "")

    def is_head(self, variable: str) -> bool:
        """Return whether a TF1 variable belongs to the classifier."""
        return variable.startswith(f"{self.head}/")

    def in_neck(self, variable: str) -> bool:
        """Return whether a TF1 variable belongs to the fully connected layers between features and classifier."""
        return not self.is_head(variable) and isinstance(self.units[self.index_of(variable)].made_of, Dense)

    def is_statistic(self, variable: str) -> bool:
        """Return whether a variable is a mean or a variance, which has no gradient."""
        return variable.rpartition("/")[2] in STATISTICS
