"""The account of a checkpoint: all checks and all data of a restore, which `finetune inspect` shows too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune import files
from finetune.backbones import Backbone, Weights
from finetune.checkpoint.location import CLASS_NAMES, Located, locate
from finetune.checkpoint.plan import Contents, RestorePlan, Shape, contents, holds_head, plan_restore
from finetune.checkpoint.stored import StoredCheckpoint, file_digests, read
from finetune.errors import CheckpointError, Problem
from finetune.images import Preprocessing, Standardization, resolve_preprocessing


@dataclasses.dataclass(frozen=True)
class Account:
    """A checkpoint that can be restored, with every variable accounted for.

    Attributes:
        stored: checkpoint, open for reading.
        contents: backbone, embedding size and number of classes, as stored.
        preprocessing: preprocessing that the checkpoint expects, and the source of that knowledge.
        class_names: names of the head's classes, in order; empty if unknown.
        plan: decision about every variable of the checkpoint and of the network.
        needed: shapes of the network's variables by TF1 name, in the order of the units.
        values: values of the restored variables, by TF1 name.
    """

    stored: StoredCheckpoint
    contents: Contents
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    plan: RestorePlan
    needed: Mapping[str, Shape]
    values: Mapping[str, np.ndarray]

    @property
    def backbone(self) -> Backbone:
        """The network."""
        return self.contents.backbone

    @property
    def located(self) -> Located:
        """The checkpoint's files."""
        return self.stored.located

    @property
    def own_class_names(self) -> tuple[str, ...]:
        """The people of the stored classifier, even if the network gets a new head.

        Raises:
            CheckpointError: the file with their names can't be read.
        """
        return stored_class_names(self.located.folder, self.contents.num_classes)

    def for_people(self, class_names: Sequence[str]) -> Account:
        """Return the account with these people in the new head, for a checkpoint opened for a new head."""
        shapes = ((self.contents.embedding_size, len(class_names)), (len(class_names),))
        needed = {**self.needed, **dict(zip(self.backbone.head_variables, shapes, strict=True))}
        return dataclasses.replace(self, needed=needed, class_names=tuple(class_names))


def account(
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    image_size: int | None = None,
    standardization: Standardization | None = None,
    weights: Weights = "variables",
) -> Account:
    """Read a checkpoint and check all that its restore needs.

    Args:
        path: directory, prefix, or any file of a checkpoint.
        class_names: people of a new head, which replaces the stored one. By default, the stored head is restored if it
            has weights and biases.
        image_size: image side in pixels; by default, what the checkpoint is known to expect.
        standardization: standardization; by default, what the checkpoint is known to expect.
        weights: `averages` to take the moving averages that the training kept of the variables.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or of an unknown backbone, a variable is unaccounted
            for, or the image size is too small for the network.
    """
    located = locate(path)
    stored = read(located, averages=weights == "averages")
    contract = resolve_preprocessing(
        located.folder, located.name, image_size, standardization, lambda: file_digests(located).values()
    )
    found = contents(stored.shapes, located.prefix)
    backbone = found.backbone
    if contract.image_size < backbone.least_image_size:
        raise CheckpointError(
            Problem(
                located.prefix,
                f"an image size of {contract.image_size} ({contract.source}); "
                f"the network needs {backbone.least_image_size} pixels or more",
            )
        )
    if class_names is not None:
        classes: int | None = len(class_names)
    else:
        classes = found.num_classes if holds_head(backbone, stored.shapes) else None
    from finetune import network  # imports TensorFlow

    shapes = network.variable_shapes(backbone, found.embedding_size, classes or 1)
    needed = {name: shape for name, shape in shapes.items() if classes or not backbone.is_head(name)}
    fresh = [name for name in needed if class_names is not None and backbone.is_head(name)]
    plan = plan_restore(backbone, stored.shapes, needed, fresh, where=located.prefix, skipped=stored.variables.skipped)
    values = stored.tensors(plan.restored)
    names = stored_class_names(located.folder, classes) if class_names is None else tuple(class_names)
    return Account(stored, found, contract, names, plan, needed, values)


def stored_class_names(folder: Path, num_classes: int | None) -> tuple[str, ...]:
    """Read the names in `class_names.txt` beside a checkpoint; return none unless there is one per class.

    Raises:
        CheckpointError: the file can't be read.
    """
    path = folder / CLASS_NAMES
    if num_classes is None or not path.is_file():
        return ()
    try:
        names = tuple(files.read(path).decode().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(Problem(path, "can't be read as text", "mend it or remove it")) from error
    return names if len(names) == num_classes else ()
