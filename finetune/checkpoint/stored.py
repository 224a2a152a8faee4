"""The stored variables of a checkpoint by TF1 name, in any format."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from finetune.backbones import Backbone
from finetune.brief import Brief
from finetune.checkpoint.formats import Variables, damage, refusal
from finetune.checkpoint.location import Located
from finetune.checkpoint.naming import in_tf1_names
from finetune.errors import CheckpointError, Problem
from finetune.files import sha256
from finetune.words import with_article


@dataclasses.dataclass(frozen=True, repr=False)
class StoredCheckpoint(Brief):
    """A checkpoint that is open for reading.

    Attributes:
        located: files of the checkpoint.
        variables: variables in these files.
    """

    located: Located
    variables: Variables

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every stored variable, by TF1 name."""
        return self.variables.shapes

    @property
    def dtypes(self) -> Mapping[str, np.dtype]:
        """The type of every stored variable, by TF1 name."""
        return self.variables.dtypes

    def tensor(self, name: str) -> np.ndarray:
        """Return the values of one variable as stored.

        Raises:
            CheckpointError: the variable's bytes are missing or damaged.
        """
        try:
            return self.variables.get(name)
        except damage() as error:
            raise CheckpointError(_damaged(f"{self.located.prefix} {name}", error)) from error

    @functools.cached_property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of each file that holds values, by file name.

        Raises:
            CheckpointError: a file can't be read.
        """
        return file_digests(self.located)

    def tensors(self, names: Collection[str], *, keep: bool = True) -> dict[str, np.ndarray]:
        """Return the values of float32 variables for a restore.

        Args:
            names: names of the variables.
            keep: whether to return the values. Without it, they are read and checked one after another.

        Raises:
            CheckpointError: bytes are missing or damaged, or values are not float32 or not finite.
        """
        where = self.located.prefix
        others = [name for name in names if self.dtypes[name] != np.float32]
        if others:
            raise CheckpointError(
                *(
                    Problem(f"{where} {name}", f"stored as {self.dtypes[name]}; the network needs float32")
                    for name in others
                )
            )
        values: dict[str, np.ndarray] = {}
        diverged = []
        for name in names:
            value = self.tensor(name)
            if not np.isfinite(value).all():
                diverged.append(name)
            if keep:
                values[name] = value
        if diverged:
            raise CheckpointError(
                Problem(
                    where,
                    f"NaN or infinite values in {len(diverged)} of {len(names)} variables, {diverged[0]} the first",
                    "take an earlier step",
                )
            )
        return values


def read(located: Located, *, averages: bool = False, own: Backbone | None = None) -> StoredCheckpoint:
    """Open a checkpoint; its values are read on demand, under the names that FaceNet gives them.

    Args:
        located: files of the checkpoint.
        averages: whether to take the moving averages of variables in place of the variables.
        own: network of the user's own that the files may hold.

    Raises:
        CheckpointError: a file is damaged, or does not have the format that its name suggests; or the averages are not
            there.
    """
    path, form = located.files[0], located.format
    try:
        variables = form.open(located.prefix, located.files)
        return StoredCheckpoint(located, in_tf1_names(variables, located.prefix, averages=averages, own=own))
    except damage() as error:
        if not form.suffixes:
            raise CheckpointError(_damaged(path, error)) from error
        found = f"is not {with_article(form.title)}, or it is damaged ({_first_line(error)})"
        told = refusal(path) or Problem(path, found, "copy it again, or give a TF1 checkpoint")
        raise CheckpointError(told) from error


def file_digests(located: Located) -> dict[str, str]:
    """Return the SHA-256 of each file that holds values, by file name.

    Raises:
        CheckpointError: a file can't be read.
    """
    found: dict[str, str] = {}
    for path in located.files:
        try:
            found[path.name] = sha256(path)
        except OSError as error:
            raise CheckpointError(_damaged(path, error)) from error
    return found


def _damaged(where: str | Path, error: Exception) -> Problem:
    return Problem(where, f"damaged, or can't be read ({_first_line(error)})", "copy the checkpoint again")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
