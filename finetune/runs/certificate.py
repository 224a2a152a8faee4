"""The proof that frozen means frozen: every frozen tensor's digest, before a stage and after."""

from __future__ import annotations

from collections.abc import Collection

from finetune.errors import Problem, RunError
from finetune.model import Model


class FrozenTensors:
    """The sha256 of each tensor that a stage must not change, taken before it.

    Args:
        model: at the stage's start.
        trained: TF1 names that the stage may change; all others are frozen.
    """

    def __init__(self, model: Model, trained: Collection[str]) -> None:
        names = set(model.variables) - set(trained)
        self.digests = model.digests([name for name in model.variables if name in names])

    def verify(self, model: Model) -> dict[str, str]:
        """The digests, when none has changed.

        Raises:
            RunError: a frozen tensor changed. That is a fault of finetune, and the stage is not saved.
        """
        now = model.digests(self.digests)
        changed = [name for name, digest in self.digests.items() if now[name] != digest]
        if changed:
            found = f"frozen tensors changed in training: {', '.join(changed)}; the stage is not saved"
            raise RunError(Problem("", found))
        return self.digests
