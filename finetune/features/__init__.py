"""What the frozen units give for an image: computed once, kept in one store, trained on from there."""

from __future__ import annotations

from finetune.features.choice import Choice, choose
from finetune.features.store import Shelf, Store, identity, image_digest

__all__ = ["Choice", "Shelf", "Store", "choose", "identity", "image_digest"]
