"""Training step of the whole network, against PyTorch's on the same weights and images."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from benchmarks import graph
from benchmarks.machine import machine
from benchmarks.own_symbols import own_symbols
from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import alternate, clock, ratio
from finetune import Model, Stage, network
from finetune.dataset import EvaluationBatches
from finetune.dataset.scanning import scan
from finetune.errors import Problem, RunError
from finetune.images import Precision
from finetune.images.standardization import standardize
from finetune.training.step import Trainer

if TYPE_CHECKING:
    from benchmarks.torch_training import TorchTrainer

OURS, TORCH = "finetune", "PyTorch"
RATE = 0.001
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
LOSS_TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
"""Largest relative difference of the losses of the first step."""
GRADIENT_TOLERANCE = 1e-2
"""Largest difference of all gradients of the first step together in float32, relative to their norm. After so many
batch normalizations, float32 gradients of PyTorch and of TensorFlow differ by up to 1e-3 from those in float64."""


def run(settings: Settings) -> Result:
    """Check that the first steps agree, then time steps in turn, in float32 and in bfloat16."""
    batch_size, steps = settings.pick(32, 8), settings.pick(3, 1)
    about = f"A step of the whole network: batches of {batch_size}, batch norm in training mode, Adam."
    result = Result("training", about, {})
    sets = machine()["instruction_sets"]
    lowered = sets["avx512_bf16"] or sets["amx_bf16"]
    if not lowered:
        result.notes.append("bfloat16: left out, for this processor computes it in software")
    for precision in PRECISIONS if lowered else PRECISIONS[:1]:
        steppers = _steppers(settings, precision, batch_size, result.notes)
        first = [step() for step in steppers.values()]
        if not np.allclose(first, first[0], rtol=LOSS_TOLERANCE[precision], atol=0):
            found = f"the losses of the first step differ: finetune {first[0]}, PyTorch {first[1]}"
            raise RunError(Problem("training", f"{precision}: {found}"))
        losses = ", ".join(f"{name} {loss:.6f}" for name, loss in zip(steppers, first, strict=True))
        result.notes.append(f"The losses of the first step in {precision}: {losses}.")
        timings = alternate(
            {name: _case(step, steps) for name, step in steppers.items()}, settings.rounds, f"training, {precision}"
        )
        figure = ratio(timings[TORCH], timings[OURS]) if TORCH in timings else None
        result.timings |= {f"{name}, {precision}": seconds for name, seconds in timings.items()}
        result.targets.append(Target(f"PyTorch's step / finetune's, {precision}", figure, 1.2, least=True))
    return result


def _case(step: Callable[[], float], steps: int) -> Callable[[], float]:
    """Return a case that times several steps, and gives the seconds of one."""
    return lambda: clock(lambda: [step() for _ in range(steps)]) / steps


def _steppers(
    settings: Settings, precision: Precision, batch_size: int, notes: list[str]
) -> dict[str, Callable[[], float]]:
    """Return the step of each program, which trains and returns the loss. In float32 the gradients must agree.

    Raises:
        RunError: the gradients differ by more than the tolerance.
    """
    dataset = scan(settings.data.subset(batch_size)).dataset
    model = Model.restore(settings.data.checkpoint, class_names=dataset.class_names, seed=1, precision=precision)
    batches = EvaluationBatches(dataset.paths, preprocessing=model.preprocessing, batch_size=batch_size)
    images = standardize(next(iter(batches)), model.preprocessing.standardization)
    labels = tf.constant(dataset.labels[:batch_size])
    ours = Trainer(model, Stage("whole", train_from=model.backbone.names[0], epochs=1, batch_norm="train"))
    steppers = {OURS: lambda: ours.step(images, labels, RATE, (0, 0))["loss"]}
    if find_spec("torch") is None:
        notes.append(f"PyTorch, {precision}: left out, for torch is missing")
        return steppers
    with own_symbols():  # PyTorch loads Triton, which brings the LLVM, with its optimizer
        from benchmarks.torch_training import TorchTrainer

        theirs = TorchTrainer(graph.training_graph(model), RATE, precision)
    if precision == "float32":
        notes.append(_agreement(model, theirs, images, labels))
    return {**steppers, TORCH: lambda: theirs.step(images.numpy(), labels.numpy())}


def _agreement(model: Model, theirs: TorchTrainer, images: tf.Tensor, labels: tf.Tensor) -> str:
    """Compare the gradients of the first step, and return a note.

    Raises:
        RunError: the gradients differ by more than the tolerance.
    """
    expected = gradients(model, images, labels)
    found = theirs.gradients(images.numpy(), labels.numpy())
    if expected.keys() != found.keys():
        raise RunError(Problem("training", f"not of the same variables: {sorted(expected.keys() ^ found.keys())[:3]}"))
    apart = difference(expected, found)
    if not apart <= GRADIENT_TOLERANCE:
        raise RunError(Problem("training", f"the gradients of the first step differ by {apart:.1e} of their norm"))
    return f"At the first step the gradients of all {len(expected)} variables differ by {apart:.1e} of their norm."


def difference(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> float:
    """Compute the norm of the difference of all gradients together, relative to the norm of the expected ones."""
    apart = sum(np.square(expected[name] - found[name]).sum() for name in expected)
    return float(np.sqrt(apart / sum(np.square(value).sum() for value in expected.values())))


def gradients(model: Model, images: tf.Tensor, labels: tf.Tensor) -> dict[str, np.ndarray]:
    """Return the gradients of the cross-entropy by TF1 name.

    The moving statistics change a little, but training mode does not read them.
    """
    weights = {name: variable for name, variable in model.variables.items() if "/moving_" not in name}

    @tf.function(autograph=False)
    def compiled() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network.forward_pass(model.backbone, images, model.variables, slice(None), batch_norm="train")
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        found: list[tf.Tensor] = tape.gradient(loss, list(weights.values()))
        return found

    return {name: gradient.numpy() for name, gradient in zip(weights, compiled(), strict=True)}
