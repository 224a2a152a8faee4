"""Contract of a gallery's embeddings: the model and the preprocessing that they were made with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from finetune.backbones import Channels, Standardization

if TYPE_CHECKING:
    from finetune.model import EmbeddingModel


@dataclasses.dataclass(frozen=True)
class Contract:
    """Model and preprocessing of embeddings. Embeddings of different contracts can't be compared.

    Attributes:
        checkpoint: path of the checkpoint, as a hint where to find it.
        weights: sha256 of all variables that an embedding depends on, without the logits layer.
        image_size: side of the network's input, in pixels.
        standardization: standardization of the pixels.
        backbone: name of the network; empty in older galleries, which do not name it.
        channels: channels of the network's input.
        convert: whether RGB images become grey for a network that takes grey.
    """

    checkpoint: str
    weights: str
    image_size: int
    standardization: Standardization
    backbone: str = ""
    channels: Channels = "rgb"
    convert: bool = False

    @classmethod
    def of(cls, model: EmbeddingModel) -> Contract:
        """Return the contract of a restored model."""
        weights = model.weights_sha256([name for name in model.names if not model.backbone.is_head(name)])
        contract = model.preprocessing
        return cls(
            str(model.checkpoint.absolute()),
            weights,
            contract.image_size,
            contract.standardization,
            model.backbone.name,
            contract.channels,
            contract.convert,
        )

    def differences(self, other: Contract) -> str:
        """Describe how the other contract differs; empty if embeddings of both can be compared."""
        parts = []
        if self.weights != other.weights and self.backbone == other.backbone:
            parts.append(f"made with {self.checkpoint}, whose weights differ from those of {other.checkpoint}")
        for what in ("backbone", "image_size", "standardization", "channels", "convert"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs and "" not in (mine, theirs):
                parts.append(f"made with {what.replace('_', ' ')} {mine}, not {theirs}")
        return " and ".join(parts)
