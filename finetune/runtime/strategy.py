"""The recipe key `strategy:`: one device, all GPUs of this machine, or several processes, by tf.distribute."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from finetune import progress
from finetune.errors import Problem, RunError, UserError
from finetune.progress import say_aside
from finetune.runtime import devices
from finetune.runtime.cluster import Cluster, read_cluster
from finetune.runtime.sharing import WHOLE, Share
from finetune.words import counted

Name = Literal["none", "mirrored", "multi_worker"]
GONE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)
"""Errors of shared work after another worker has ended."""


@dataclasses.dataclass(frozen=True)
class Strategy:
    """The cooperation of a run's replicas.

    Attributes:
        name: name in recipes.
        share: replicas of this process among all of them.
        cluster: workers of a run with several processes, or None.
        distribution: TensorFlow's strategy object; None for `none`, and before a run.
    """

    name: Name
    share: Share = WHOLE
    cluster: Cluster | None = None
    distribution: tf.distribute.Strategy | None = None

    @property
    def workers(self) -> int:
        """The number of processes."""
        return len(self.cluster.workers) if self.cluster else 1

    @property
    def worker(self) -> int:
        """The index of this process, from 0."""
        return self.cluster.index if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """True in the process that writes and prints for all workers."""
        return self.worker == 0

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Give each variable created inside the context one copy per replica, with the chief's value.

        All workers must create the same variables.

        Raises:
            RunError: another worker has ended.
        """
        with self.together(), self.distribution.scope() if self.distribution else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Turn the failure of another worker into an error that says so, around work that waits for all workers.

        Raises:
            RunError: another worker has ended.
        """
        try:
            yield
        except GONE as error:
            if self.cluster is None:
                raise
            raise RunError(
                Problem(
                    f"worker {self.worker}",
                    "another worker has ended or can't be reached; what was finished before stands",
                    "see what the others said, and start all of them again with --resume",
                )
            ) from error

    def run(self, replica: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call `replica` on every replica of this process, inside a `tf.function`."""
        assert self.distribution is not None
        return self.distribution.run(replica, args)

    def local(self, value: Any) -> npt.NDArray[np.float32]:
        """Return the value of this process's first replica."""
        assert self.distribution is not None
        return self.distribution.experimental_local_results(value)[0].numpy()

    def sum(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the sum of the workers' arrays, which have the same shape. All workers get the same sum.

        Raises:
            RunError: another worker has ended.
        """
        if self.cluster is None or self.distribution is None:
            return values
        nothing = np.zeros_like(values)

        def of_replica(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            return tf.constant(values if context.replica_id_in_sync_group == self.share.first else nothing)

        with self.together():
            each = self.distribution.experimental_distribute_values_from_function(of_replica)
            return self.distribution.reduce(tf.distribute.ReduceOp.SUM, each, axis=None).numpy()

    def wait(self) -> None:
        """Wait until all workers have reached this call."""
        self.sum(np.zeros(1, np.float32))

    def must_agree(self, text: str, problem: Problem) -> None:
        """Wait for all workers and compare a text with theirs.

        Raises:
            UserError: `problem`, on every worker, where the texts differ.
        """
        if not self._agree(text):
            raise UserError(problem)

    def must_see_the_same(self, lines: Sequence[str]) -> None:
        """Wait for all workers and compare lines with theirs.

        Raises:
            UserError: the lines differ; each worker names its own line at the first difference.
        """
        if self._agree("\n".join(lines)):
            return
        alike, most = 0, 2**31  # the workers agree on the first `alike` lines, but not on the first `most`
        while most - alike > 1:
            middle = (alike + most) // 2
            if self._agree("\n".join(lines[:middle])):
                alike = middle
            else:
                most = middle
        here = repr(lines[alike]) if alike < len(lines) else "nothing"
        raise UserError(
            Problem(
                f"worker {self.worker}",
                f"finds {here} where another worker finds something else",
                "give all the same recipe, checkpoint, images and pairs",
            )
        )

    def _agree(self, text: str) -> bool:
        """Wait for all workers and return whether they have the same text."""
        digests = np.zeros([self.workers, 32], np.float32)
        digests[self.worker] = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
        digests = self.sum(digests)
        return self.distribution is None or bool((digests == digests[0]).all())

    def describe(self, batch_size: int) -> str:
        """Return one line about the replicas and their share of a batch."""
        n = self.share.replicas
        where = f" on {counted(self.workers, 'worker')}" if self.cluster else ""
        least, most = batch_size // n, -(-batch_size // n)
        each = f"{least}" if least == most else f"{least} or {most}"
        return f"{self.name}: {counted(n, 'replica')}{where}; batches of {batch_size} images, {each} per replica"


SINGLE = Strategy("none")
"""The strategy of one process on one device."""


def planned_strategy(name: Name) -> Strategy:
    """Return the strategy of a future run, without starting anything.

    Raises:
        UserError: TF_CONFIG is needed and can't be used; one line per problem.
    """
    if name == "none":
        return SINGLE
    local = max(1, len(tf.config.list_physical_devices("GPU")))
    if name == "mirrored":
        return Strategy(name, Share(local, local))
    cluster = read_cluster()
    return Strategy(name, Share(local * len(cluster.workers), local, local * cluster.index), cluster)


@functools.cache
def create_strategy(name: Name) -> Strategy:
    """Return the strategy of this process; with `multi_worker`, wait for all workers.

    Raises:
        UserError: TF_CONFIG can't be used, this worker's address is taken, or this process has already used
            TensorFlow.
        RunError: another worker can't be reached.
    """
    strategy = planned_strategy(name)
    if name == "none":
        return strategy
    devices.prepare()
    cluster = strategy.cluster
    if cluster is None:
        distribution = tf.distribute.MirroredStrategy()
        n = distribution.num_replicas_in_sync
        return dataclasses.replace(strategy, share=Share(n, n), distribution=distribution)
    if not strategy.is_chief:
        progress.silence()
    others = [address for index, address in enumerate(cluster.workers) if index != cluster.index]
    if others:
        say_aside(f"worker {cluster.index}: waiting for {', '.join(others)}")
    try:
        with strategy.together(), _signals_kept():
            distribution = tf.distribute.MultiWorkerMirroredStrategy()
            strategy = dataclasses.replace(strategy, distribution=distribution)
            strategy.wait()
    except RuntimeError as error:
        raise UserError(
            Problem(
                "strategy",
                "multi_worker must be set up before TensorFlow's first operation",
                "start a new process for it",
            )
        ) from error
    except tf.errors.UnknownError as error:
        address = cluster.workers[cluster.index]
        raise UserError(
            Problem("TF_CONFIG cluster.worker", f"{address} can't be listened on", "free it, or give another")
        ) from error
    return strategy


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the process at once inside the context, and restore the previous handlers after it.

    TensorFlow waits for the other workers in C++, where Python's signal handlers do not run. It also replaces the
    handler of SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
