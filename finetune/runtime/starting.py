"""The start of TensorFlow: without its notes on stderr, and never in a forked process."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from finetune.errors import Problem, UserError

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what the process writes to stderr, unless TF_CPP_MIN_LOG_LEVEL is 0.

    TensorFlow writes some of its notes before it reads that variable. Python's exceptions are not affected.
    """
    try:
        stderr = os.dup(2) if os.environ.get(LEVEL) != "0" else None
    except OSError:  # stderr is closed, as in some services
        stderr = None
    if stderr is None:
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


class TensorFlowFinder:
    """An import hook that silences the first import of TensorFlow and finds nothing else."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return TensorFlow's own spec with a silenced loader."""
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        os.environ.setdefault(LEVEL, "1")  # show warnings and errors
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_silently(module: ModuleType) -> None:
                with silent_stderr():
                    load(module)

            spec.loader.exec_module = load_silently  # type: ignore[method-assign]
        return spec


@functools.cache
def _computes_in() -> int:
    """Return the id of the process that first used a runtime; a forked process inherits the answer."""
    return os.getpid()


def refuse_fork(runtime: str = "TensorFlow") -> None:
    """Refuse to compute in a process forked after a runtime was used: it would wait forever for missing threads.

    Args:
        runtime: name of the runtime in the message.

    Raises:
        UserError: this process was forked after the first call of this function.
    """
    if _computes_in() != os.getpid():
        raise UserError(
            Problem(
                f"process {os.getpid()}",
                f"forked from process {_computes_in()}, which had used {runtime}, and would never answer",
                "restore the model in each worker and not before the fork (gunicorn without --preload, "
                "multiprocessing with 'spawn')",
            )
        )
