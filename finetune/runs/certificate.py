"""Proof that frozen tensors stay frozen: the digest of each, before a stage and after it."""

from __future__ import annotations

from collections.abc import Collection

from finetune.errors import Problem, RunError
from finetune.model import Model


class FrozenTensors:
    """The sha256 of each tensor that a stage must not change, taken before the stage.

    Args:
        model: model at the start of the stage.
        trained: TF1 names that the stage may change; all others are frozen.
    """

    def __init__(self, model: Model, trained: Collection[str]) -> None:
        names = set(model.variables) - set(trained)
        self.digests = model.digests([name for name in model.variables if name in names])

    def verify(self, model: Model) -> dict[str, str]:
        """Return the digests, after a check that none has changed.

        Raises:
            RunError: a frozen tensor changed. That is a bug in finetune, and the stage is not saved.
        """
        now = model.digests(self.digests)
        changed = [name for name, digest in self.digests.items() if now[name] != digest]
        if changed:
            found = f"frozen tensors changed in training: {', '.join(changed)}; the stage is not saved"
            raise RunError(Problem("", found))
        return self.digests
