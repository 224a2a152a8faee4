"""Every image of a batch is computed by one replica, and the shares differ by at most one image."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from finetune.runtime.sharing import WHOLE, Share

WORKERS, LOCAL = st.integers(1, 4), st.integers(1, 3)


def shares(workers: int, local: int) -> list[Share]:
    return [Share(workers * local, local, worker * local) for worker in range(workers)]


@given(WORKERS, LOCAL, st.integers(1, 30))
def test_the_parts_of_all_replicas_are_the_batch_in_order(workers, local, n):
    parts = [part for share in shares(workers, local) for part in share.parts(n)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
    sizes = [len(part) for part in parts]
    assert len(sizes) == workers * local
    assert max(sizes) - min(sizes) <= 1


@given(WORKERS, LOCAL, st.integers(1, 30), st.integers(1, 12))
def test_an_epoch_has_as_many_batches_on_every_process_as_on_one(workers, local, n, batch_size):
    order = np.random.default_rng(n).permutation(n)
    for share in shares(workers, local):
        mine, size = share.of(order, batch_size)
        batches = [mine[start : start + size] for start in range(0, len(mine), size)]
        assert len(batches) == -(-n // batch_size)
        for start, batch in zip(range(0, n, batch_size), batches, strict=True):
            whole = order[start : start + batch_size]
            expected = [whole[part] if len(part) else whole[:1] for part in share.parts(len(whole))]
            np.testing.assert_array_equal(batch, np.concatenate(expected))


def test_one_process_computes_all():
    order = np.array([3, 0, 2, 1])
    mine, size = WHOLE.of(order, 3)
    np.testing.assert_array_equal(mine, order)
    assert size == 3
