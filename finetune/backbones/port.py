"""A port: its names for the variables of a network, and its orders of axes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from finetune.backbones.backbone import Backbone


class Theirs(NamedTuple):
    """A tensor of a port, and the TF1 variable that it is.

    Attributes:
        variable: TF1 name.
        axes: order of the port's axes that gives the TF1 variable, as for `numpy.transpose`; None if it is the same.
    """

    variable: str
    axes: tuple[int, ...] | None = None

    @property
    def is_scale(self) -> bool:
        """Whether it is the scale (gamma) of a batch normalization, which FaceNet's networks do not have."""
        return self.variable.endswith("/gamma")


@dataclasses.dataclass(frozen=True)
class Port:
    """A program with one of FaceNet's networks, and the names in its files.

    Attributes:
        name: name in `--names`.
        title: name in messages.
        backbones: names of its networks.
        tensors: function from the network to the port's tensors by their names. Scales (gamma) are among them, which
            files may lack.
        layer_name: function from the network and the scope of a layer to its name, for ports in Keras.
        optional: pattern of the names that many of its files lack; None for none.
        starts, ends: beginnings and endings of other names in its files, with a description of each.
    """

    name: str
    title: str
    backbones: tuple[str, ...]
    tensors: Callable[[Backbone], Mapping[str, Theirs]]
    layer_name: Callable[[Backbone, str], str] | None = None
    optional: re.Pattern[str] | None = None
    starts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ends: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def needed(self, backbone: Backbone) -> list[str]:
        """Return the names by which a file of the port is recognised as one of a network."""
        names = [name for name, tensor in self.tensors(backbone).items() if not tensor.is_scale]
        return [name for name in names if not (self.optional and self.optional.match(name))]

    def reason_to_skip(self, name: str) -> str | None:
        """Return the description of a tensor that is not part of the network, or None."""
        begins = (reason for start, reason in self.starts.items() if name.startswith(start))
        ends = (reason for end, reason in self.ends.items() if name.endswith(end))
        return next(iter((*begins, *ends)), None)
