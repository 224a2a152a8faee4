"""The learning rate of each variable in each step equals the product written out."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from finetune.backbones import by_name
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.training.optimizers import Optimizers
from finetune.training.rates import Rates, after_retry, layer_factors, of_layer

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")
ACCEPT = {"metric": "lfw_val", "max_drop": 0.0, "otherwise": "retry", "retries": 3, "rate_factor": 0.3}


@given(st.integers(1, 5), st.integers(1, 7), st.floats(0, 3), st.integers(0, 2))
def test_the_rate_of_a_step_is_the_retry_factor_times_schedule_times_warm_up(epoch, n_batches, warm_up, retries):
    schedule = {1: 0.3, 2: 0.07, 4: 0.011}
    stage = Stage("s", "Block8", 5, learning_rate=schedule, warmup_epochs=warm_up, accept=ACCEPT)
    retry = 1.0
    for _ in range(retries):
        retry = after_retry(retry, stage)
    rates = Rates(stage, retry)
    scheduled = [0.3, 0.07, 0.07, 0.011, 0.011][epoch - 1] * 0.3**retries
    assert rates.of_epoch(epoch) == pytest.approx(scheduled, rel=1e-12)
    for step in range((epoch - 1) * n_batches + 1, epoch * n_batches + 1):
        share = min(1.0, step / (warm_up * n_batches)) if warm_up else 1.0
        assert rates.of_step(epoch, n_batches, step) == pytest.approx(scheduled * share, rel=1e-12)


def test_each_block_has_the_rate_of_the_block_after_it_times_the_layer_decay():
    names = ["Logits/weights", "InceptionResnetV1/Bottleneck/weights", "InceptionResnetV1/Block8/Conv2d_1x1/weights"]
    blocks = [f"InceptionResnetV1/Repeat_2/block8_{i}/Conv2d_1x1/weights" for i in (1, 5)]
    factors = layer_factors(V1, [*names, *blocks], 0.5)
    assert [factors[name] for name in names] == [1.0, 0.5, 0.25]
    assert {factors[name] for name in blocks} == {0.125}  # a repeat is one block


def test_an_optimizer_is_given_the_rate_of_its_layers():
    import tensorflow as tf

    names = ["InceptionResnetV1/Block8/Conv2d_1x1/weights", "Logits/weights"]
    optimizers = Optimizers(V1, Stage("s", "Block8", 1, layer_decay=0.3), {name: tf.Variable([1.0]) for name in names})
    optimizers.set_rate(0.7)
    found = [float(optimizer.learning_rate.numpy()) for _, optimizer, _ in optimizers._groups]
    assert found == pytest.approx([0.7, 0.7 * 0.3**2], rel=1e-6)
    assert of_layer(0.7, 0.3) == 0.7 * 0.3
