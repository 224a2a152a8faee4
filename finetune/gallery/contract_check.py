"""The check that a gallery's embeddings and a model's can be compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from finetune.errors import DataError, Problem
from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery


def fitting(gallery: Gallery, contract: Contract, path: Path) -> Gallery:
    """Return the gallery with the contract's checkpoint path, where the checkpoint was last seen.

    Raises:
        DataError: its embeddings were made with another contract.
    """
    differences = gallery.contract.differences(contract)
    if differences:
        same = gallery.contract.weights == contract.weights
        made = "give the checkpoint that it was made with, or migrate the gallery (finetune gallery --migrate)"
        advice = "leave that option out, or make another gallery" if same else made
        raise DataError(Problem(path, differences, advice))
    return dataclasses.replace(gallery, contract=contract)
