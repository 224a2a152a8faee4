"""The account of a checkpoint: all checks and all data of a restore, which `finetune inspect` shows too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from finetune import files
from finetune.backbones import Backbone, Weights, stored_network, variable_shapes
from finetune.checkpoint.location import CLASS_NAMES, Located, locate
from finetune.checkpoint.plan import Beginning, Contents, RestorePlan, Shape, contents, holds_head, plan_restore
from finetune.checkpoint.stored import StoredCheckpoint, read
from finetune.errors import CheckpointError, Problem
from finetune.images import AS_EXPECTED, Choice, Preprocessing, resolve_preprocessing, usual_preprocessing

Reading = Literal["kept", "checked", "unread"]
"""Treatment of the values of the variables that are restored."""


@dataclasses.dataclass(frozen=True)
class Account:
    """The variables that a model begins with, each accounted for: restored from a checkpoint, or fresh.

    Attributes:
        located: the checkpoint's files; None without a checkpoint.
        contents: backbone, embedding size and number of classes, as stored.
        preprocessing: preprocessing that the checkpoint expects, and the source of that knowledge.
        class_names: names of the head's classes, in order; empty if unknown.
        plan: decision about every variable of the checkpoint and of the network.
        needed: shapes of the network's variables by TF1 name, in the order of the units.
        values: values of the restored variables, by TF1 name; empty if they were not kept.
        name: name in messages: the checkpoint's prefix, or what stands in its place.
        remarks: remarks on names and values that differ from those in the checkpoint's files.
        stored: checkpoint, open for reading; None without a checkpoint.
        again: function that opens the checkpoint once more and reads values by TF1 name; None without a checkpoint.
    """

    located: Located | None
    contents: Contents
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    plan: RestorePlan
    needed: Mapping[str, Shape]
    values: Mapping[str, np.ndarray]
    name: str
    remarks: tuple[str, ...] = ()
    stored: StoredCheckpoint | None = None
    again: Callable[[Collection[str]], Mapping[str, np.ndarray]] | None = None

    @property
    def backbone(self) -> Backbone:
        """The network."""
        return self.contents.backbone

    def reader(self) -> Callable[[Collection[str]], Mapping[str, np.ndarray]]:
        """Return a function that gives the values of restored variables again, by TF1 name.

        It opens the checkpoint's files again, so that nothing of them stays in memory.
        """
        if self.again:
            return self.again
        values = self.values
        return lambda names: {name: values[name] for name in names}

    @property
    def own_class_names(self) -> tuple[str, ...]:
        """The people of the stored classifier, even if the network gets a new head.

        Raises:
            CheckpointError: the file with their names can't be read.
        """
        return stored_class_names(self.located.folder, self.contents.num_classes) if self.located else ()

    def for_people(self, class_names: Sequence[str]) -> Account:
        """Return the account with these people in the new head, for a checkpoint opened for a new head.

        Without people, the network gets no head.
        """
        head = self.backbone.head_variables
        if not class_names:
            needed = {name: shape for name, shape in self.needed.items() if name not in head}
            fresh = tuple(name for name in self.plan.fresh if name not in head)
            plan = dataclasses.replace(self.plan, fresh=fresh)
            return dataclasses.replace(self, needed=needed, plan=plan, class_names=())
        shapes = ((self.contents.embedding_size, len(class_names)), (len(class_names),))
        needed = {**self.needed, **dict(zip(head, shapes, strict=True))}
        return dataclasses.replace(self, needed=needed, class_names=tuple(class_names))


def account(
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    choice: Choice = AS_EXPECTED,
    weights: Weights = "variables",
    beginning: Beginning | None = None,
    values: Reading = "kept",
) -> Account:
    """Read a checkpoint and check all that its restore needs.

    Args:
        path: directory, prefix, or any file of a checkpoint.
        class_names: people of a new head, which replaces the stored one. By default, the stored head is restored if it
            has weights and biases.
        choice: preprocessing that is given; by default, what the checkpoint is known to expect.
        weights: `averages` to take the moving averages that the training kept of the variables.
        beginning: network whose neck the checkpoint may lack. It is fresh then.
        values: `kept` in memory after their check, `checked` alone, or `unread` for files that were checked before.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or of an unknown backbone, a variable is unaccounted
            for, or the image size is too small for the network.
    """
    located = locate(path)
    own = stored_network(located.folder)
    if own is None and beginning is not None and beginning.backbone.description:
        own = beginning.backbone
    stored = read(located, averages=weights == "averages", own=own)
    found = contents(stored.shapes, located.prefix, beginning, own)
    backbone = found.backbone
    if backbone.features and located.format.name in ("onnx", "saved_model"):
        told = f"holds {backbone.title} as {located.format.title}, with other shapes and folded weights"
        raise CheckpointError(Problem(located.prefix, told, "give the checkpoint that it came from, or a .keras file"))
    contract = resolve_preprocessing(
        located.folder,
        located.name,
        choice,
        lambda: stored.digests.values(),
        usual_preprocessing(backbone, found.channels),
    )
    refuse_small(backbone, contract, located.prefix)
    if class_names is not None:
        classes: int | None = len(class_names)
    else:
        classes = found.num_classes if holds_head(backbone, stored.shapes) else None
    shapes = variable_shapes(backbone, found.embedding_size, classes or 1, contract.shape)
    needed = {name: shape for name, shape in shapes.items() if classes or not backbone.is_head(name)}
    fresh = [name for name in needed if class_names is not None and backbone.is_head(name)]
    if beginning is not None and backbone.features:
        lacking = [name for name in needed if name not in stored.shapes and backbone.in_neck(name)]
        fresh = [name for name in needed if name in lacking or name in fresh]
    skipped, of_size = stored.variables.skipped, f"give the image size of its training, not {contract.image_size}"
    advice = of_size if backbone.flattens else ""
    plan = plan_restore(backbone, stored.shapes, needed, fresh, where=located.prefix, skipped=skipped, advice=advice)
    restored = {} if values == "unread" else stored.tensors(plan.restored, keep=values == "kept")
    names = stored_class_names(located.folder, classes) if class_names is None else tuple(class_names)

    def again(names: Collection[str]) -> Mapping[str, np.ndarray]:
        return read(located, averages=weights == "averages", own=own).tensors(names)

    of_file = str(located.prefix), stored.variables.remarks, stored, again
    return Account(located, found, contract, names, plan, needed, restored, *of_file)


def fresh_account(
    backbone: Backbone,
    embedding_size: int,
    preprocessing: Preprocessing,
    class_names: Sequence[str],
    values: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Account:
    """Return the account of a network without a checkpoint. Its variables are fresh, except those with given values.

    Args:
        backbone: the network.
        embedding_size: number of values in an embedding.
        preprocessing: preprocessing of its images.
        class_names: people of its head.
        values: ImageNet's weights by TF1 name.

    Raises:
        CheckpointError: the image size is too small for the network.
    """
    refuse_small(backbone, preprocessing)
    names = tuple(class_names)
    needed = variable_shapes(backbone, embedding_size, len(names), preprocessing.shape)
    restored = tuple(name for name in needed if name in values)
    plan = RestorePlan(restored, {}, tuple(name for name in needed if name not in values))
    contents = Contents(backbone, embedding_size, None, preprocessing.channels)
    name = f"ImageNet's {backbone.title}" if values else f"a fresh {backbone.title}"
    return Account(None, contents, preprocessing, names, plan, needed, values, name)


def refuse_small(backbone: Backbone, preprocessing: Preprocessing, where: str | Path = "image_size") -> None:
    """Refuse an image size that is too small for a network.

    Raises:
        CheckpointError: the images would vanish before the last pooling.
    """
    if preprocessing.image_size < backbone.least_image_size:
        found = f"an image size of {preprocessing.image_size} ({preprocessing.source})"
        raise CheckpointError(Problem(where, f"{found}; the network needs {backbone.least_image_size} pixels or more"))


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
