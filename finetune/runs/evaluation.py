"""Measurements of a run: on LFW and other sets of pairs, on held-out identities, and on held-back images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from finetune import network
from finetune.embedding import FILL_BATCH, Embedder
from finetune.errors import DataError, NotFinite, Problem, RunError
from finetune.identification import open_set
from finetune.interruption import stop_if_asked
from finetune.progress import say
from finetune.record import FAR, Evidence, HeldBack, TradeOff, by_nearest_mean, columns, pair_columns
from finetune.runs.opening import Inputs
from finetune.training import Trainer
from finetune.verification import OF_LFW, Embed, VerificationResult, draw, measure_sets, measure_strangers

Vectors = npt.NDArray[np.float32]


class Evaluation:
    """Measurements of one run, always on the same images and pairs.

    Args:
        inputs: inputs of the run. Their model is measured.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._inputs, self._model = inputs, inputs.model
        self._pairs = draw(inputs.strangers.labels, inputs.recipe.seed) if inputs.strangers else None

    def embedder(self, trainer: Trainer | None = None) -> Embedder:
        """Return an embedder with the current weights. It is valid until weights before its boundary change.

        Args:
            trainer: trainer of the stage whose frozen features are cached. Without one, prelogits are cached.
        """
        inputs = self._inputs
        if trainer is None:
            return Embedder(self._model, inputs.recipe.cache, inputs.records)
        first, rest = trainer.first, trainer.prelogits
        return Embedder(self._model, inputs.recipe.cache, inputs.records, first=first, rest=rest)

    def lfw(self, embedder: Embedder | None = None) -> VerificationResult | None:
        """Measure on LFW alone, or return None if its pairs were not given; see `sets`."""
        return self.sets(embedder, (OF_LFW,)).get(OF_LFW)

    def sets(
        self, embedder: Embedder | None = None, names: Collection[str] | None = None
    ) -> dict[str, VerificationResult]:
        """Measure the recipe's sets of pairs, LFW's among them. Each distinct image is embedded once.

        Args:
            embedder: embedder to measure. By default the current model is measured and no embeddings are cached.
            names: names of the sets to measure. Default: all.

        Raises:
            NotFinite: some embeddings are not finite.
            RunError: an image can no longer be read.
        """
        inputs = self._inputs
        chosen = [one for one in inputs.sets if names is None or one.name in names]
        if not chosen:
            return {}
        embed: Embed = self._model.embed if embedder is None else embedder.embeddings
        embed = self._shared if inputs.strategy.workers > 1 else embed

        def finitely(paths: Sequence[Path], /, *, flip: bool) -> Vectors:
            return finite(embed(paths, flip=flip))

        stop_if_asked()
        try:
            results = measure_sets(finitely, chosen, inputs.trained_names, inputs.records)
        except DataError as error:
            pairs = "LFW" if [one.name for one in chosen] == [OF_LFW] else "the pairs"
            raise RunError(
                *error.within(f"{pairs} could not be measured", "what was finished before stands")
            ) from error
        stop_if_asked()
        return results

    def trade_off(self, embedder: Embedder) -> TradeOff | None:
        """Measure gain and forgetting, or return None if nobody is held out.

        Raises:
            NotFinite: some embeddings are not finite.
            RunError: an image can no longer be read.
        """
        inputs = self._inputs
        if self._pairs is None or inputs.strangers is None:
            return None
        strangers, learned = finite(embedder.embeddings(inputs.strangers.paths)), None
        if len(inputs.validation):
            gallery, probes = (embedder.embeddings(part.paths) for part in (inputs.train, inputs.validation))
            learned = open_set(gallery, inputs.train.labels, probes, inputs.validation.labels, strangers, far=FAR)
        distance = inputs.recipe.lfw.distance if inputs.recipe.lfw else "cosine"
        return TradeOff(measure_strangers(strangers, self._pairs, distance=distance), learned)

    def after_epoch(self, embedder: Embedder, epoch: int, start: Evidence) -> dict[str, float | None]:
        """Measure the pairs within a stage, if the recipe says so after this epoch.

        Args:
            embedder: embedder of the weights that would be kept.
            epoch: number of the epoch within the stage, from 1.
            start: measurements before the first stage.

        Returns:
            Columns of the history; none after an epoch without a measurement, or if some embeddings are not finite.

        Raises:
            RunError: an image can no longer be read.
        """
        asked = self._inputs.recipe.verification
        if asked and epoch % asked.every:
            return {}
        try:
            trade_off, sets = self.trade_off(embedder), self.sets(embedder) if asked else {}
        except NotFinite as error:
            say(f"warning: epoch {epoch} is not measured: {error}")
            return {}
        found: dict[str, float | None] = {}
        for name, result in sets.items():
            if name in start.sets:
                found |= pair_columns(name, start.sets[name], result)
        return found | (columns(start.trade_off, trade_off) if start.trade_off and trade_off else {})

    def held_back_by_mean(self, embedder: Embedder, measured: TradeOff | None) -> HeldBack | None:
        """Name the held-back images by the nearest class mean of the training images.

        Args:
            measured: measurement of the same embeddings. Its answers are used if it has them.

        Returns:
            Named images, or None if nothing is held back.
        """
        train, held_back = self._inputs.train, self._inputs.validation
        if measured and measured.learned:
            return HeldBack(measured.learned.correct)
        if not len(held_back):
            return None
        gallery, probes = (finite(embedder.embeddings(part.paths)) for part in (train, held_back))
        return by_nearest_mean(gallery, train.labels, probes, held_back.labels, train.class_names)

    def held_back(self, embedder: Embedder) -> HeldBack | None:
        """Name the held-back images with the model's classifier, or return None if nothing is held back."""
        held_back = self._inputs.validation
        if not len(held_back):
            return None
        # The trainers of several workers compute together, but each worker names all images by itself.
        alone = self._inputs.strategy.workers == 1
        prelogits = (embedder if alone else self.embedder()).prelogits(held_back.paths)  # [n, E]
        batches = (tf.constant(prelogits[start : start + FILL_BATCH]) for start in range(0, len(prelogits), FILL_BATCH))
        backbone, variables = self._model.backbone, self._model.variables
        logits = (network.forward_pass(backbone, batch, variables, network.HEAD) for batch in batches)
        named = np.concatenate([np.argmax(rows, 1) for rows in logits])  # [n, people] -> [n]
        return HeldBack.of(held_back.class_names, held_back.labels, named)

    def _shared(self, paths: Sequence[Path], /, *, flip: bool) -> Vectors:
        """Compute embeddings together with the other workers, each for a part of the images."""
        strategy = self._inputs.strategy
        mine = slice(strategy.worker, None, strategy.workers)
        embeddings = np.zeros([len(paths), self._model.embedding_size * (2 if flip else 1)], np.float32)
        embeddings[mine] = self._model.embed(paths[mine], flip=flip)
        return strategy.sum(embeddings)


def finite(embeddings: Vectors) -> Vectors:
    """Return the embeddings, after a check that they are finite.

    Raises:
        NotFinite: some embeddings are not finite.
    """
    bad = int(np.count_nonzero(~np.isfinite(embeddings).all(axis=1)))
    if bad:
        raise NotFinite(Problem("", f"{bad} of {len(embeddings)} embeddings are not finite"))
    return embeddings
