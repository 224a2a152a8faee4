"""Models restored as a command's options say, with notes on stderr."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import CheckpointError, DataError, Problem, UserError
from finetune.progress import say_aside

if TYPE_CHECKING:
    from finetune.gallery import Contract
    from finetune.model import EmbeddingModel, Model

FEW = 16
"""Least number of images whose first-layer statistics can show the right standardization."""


def restore(options: argparse.Namespace) -> EmbeddingModel:
    """Restore the checkpoint to embed with, and note on stderr what is only assumed of it."""
    from finetune.images import Choice
    from finetune.light import restore as restore_model

    model = restore_model(
        options.checkpoint,
        Choice(options.image_size, options.standardization, options.convert),
        precision=options.precision,
        runtime=options.runtime,
        weights=options.weights,
    )
    _note(model)
    return model


def restore_network(options: argparse.Namespace) -> Model:
    """Restore the checkpoint in TensorFlow with its variables, and note on stderr what is only assumed of it."""
    from finetune.checkpoint import locate

    locate(options.checkpoint)  # reports a missing checkpoint before the import of TensorFlow
    from finetune.model import Model

    model = Model.restore(
        options.checkpoint,
        image_size=options.image_size,
        standardization=options.standardization,
        convert=options.convert,
        weights=options.weights,
    )
    _note(model)
    return model


def _note(model: EmbeddingModel) -> None:
    """Print on stderr what differs from the files, and what is only assumed."""
    for remark in model.remarks:
        say_aside(f"{model.checkpoint}: {remark}")
    if model.preprocessing.assumed:
        say_aside(f"{model.checkpoint}: {model.preprocessing.in_full}")


def restore_of(options: argparse.Namespace, contract: Contract | None) -> EmbeddingModel:
    """Restore the model of a gallery from `--checkpoint`, or else from its last known place.

    Raises:
        UserError: the checkpoint is neither given nor at its last known place.
    """
    if contract is not None:
        options.image_size = options.image_size or contract.image_size
        options.standardization = options.standardization or contract.standardization
        options.convert = options.convert or contract.convert
        if options.checkpoint is None:
            options.checkpoint = contract.checkpoint
            try:
                return restore(options)
            except CheckpointError as error:
                advice = "the gallery's checkpoint was there: give --checkpoint"
                raise CheckpointError(*error.within(advice=advice)) from error
    if options.checkpoint is None:
        raise UserError(Problem("--checkpoint", "not given", "give the checkpoint that embeds the photos"))
    return restore(options)


def standardization_notes(model: EmbeddingModel, paths: Sequence[Path]) -> list[str]:
    """Return a line if the images suggest another standardization, or if the standardization is only assumed.

    Args:
        model: restored model.
        paths: aligned images; those that are too small or unreadable are left out. Fewer than `FEW` give no answer.
    """
    from finetune.images import header_sizes, probe, standardization_remarks

    size = model.preprocessing.image_size
    usable = [image for image, sides in header_sizes(paths).items() if min(sides) >= size]
    if len(usable) < FEW:
        return []
    try:
        pixels = probe(usable, model.preprocessing)
    except DataError:  # the command itself reports damaged images
        return []
    return standardization_remarks(model.preprocessing, model.standardization_fit(pixels), "give --standardization ")
