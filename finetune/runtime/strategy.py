"""`strategy:` of a recipe: one device, all GPUs of this machine, or several processes, by tf.distribute."""

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
"""What work that all share ends with when a worker has gone."""


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How the replicas of a run compute together.

    Attributes:
        name: as recipes spell it.
        share: the replicas of this process among all of them.
        cluster: the workers, where there are several processes.
        distribution: TensorFlow's own strategy; None for `none`, and before a run.
    """

    name: Name
    share: Share = WHOLE
    cluster: Cluster | None = None
    distribution: tf.distribute.Strategy | None = None

    @property
    def workers(self) -> int:
        """How many processes work together."""
        return len(self.cluster.workers) if self.cluster else 1

    @property
    def worker(self) -> int:
        """The number of this process, from 0."""
        return self.cluster.index if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.worker == 0

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Within it variables get a copy a replica, with the chief's value; all workers create the same ones.

        Raises:
            RunError: another worker has ended.
        """
        with self.together(), self.distribution.scope() if self.distribution else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Around work that waits for the other workers.

        Raises:
            RunError: one has ended.
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
        """Calls `replica` on every replica of this process; within a `tf.function`."""
        assert self.distribution is not None
        return self.distribution.run(replica, args)

    def local(self, value: Any) -> npt.NDArray[np.float32]:
        """What the first replica of this process gave."""
        assert self.distribution is not None
        return self.distribution.experimental_local_results(value)[0].numpy()

    def sum(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The sum of the workers' arrays, of one shape, the same on all of them.

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
        """Waits until all workers are here."""
        self.sum(np.zeros(1, np.float32))

    def must_agree(self, text: str, problem: Problem) -> None:
        """Waits for all workers, and compares a text with theirs.

        Raises:
            UserError: `problem`, on every worker, where the texts differ.
        """
        if not self._agree(text):
            raise UserError(problem)

    def must_see_the_same(self, lines: Sequence[str]) -> None:
        """Waits for all workers, and compares lines with theirs.

        Raises:
            UserError: they differ; each worker names the first of its own lines that another does not have there.
        """
        if self._agree("\n".join(lines)):
            return
        alike, most = 0, 2**31  # all agree on so many first lines, and do not agree on so many
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
        """Return whether all workers have the same text; waits for them."""
        digests = np.zeros([self.workers, 32], np.float32)
        digests[self.worker] = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
        digests = self.sum(digests)
        return self.distribution is None or bool((digests == digests[0]).all())

    def describe(self, batch_size: int) -> str:
        """The replicas in a line, and what each takes of a batch."""
        n = self.share.replicas
        where = f" on {counted(self.workers, 'worker')}" if self.cluster else ""
        least, most = batch_size // n, -(-batch_size // n)
        each = f"{least}" if least == most else f"{least} or {most}"
        return f"{self.name}: {counted(n, 'replica')}{where}; batches of {batch_size} images, {each} a replica"


SINGLE = Strategy("none")
"""One process, one device."""


def planned_strategy(name: Name) -> Strategy:
    """The strategy as it will be, with nothing started.

    Raises:
        UserError: TF_CONFIG is needed and can't be used; one line for every problem.
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
    """The strategy of this process; `multi_worker` waits until all workers are there.

    Raises:
        UserError: TF_CONFIG can't be used, this worker's address is taken, or TensorFlow has computed in this
            process before.
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
    """Within it, Ctrl-C ends the process at once; after it, the handlers from before are back.

    TensorFlow waits for the other workers outside Python, where no handler that is written in Python runs, and
    puts its own in the place of SIGTERM's.
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
