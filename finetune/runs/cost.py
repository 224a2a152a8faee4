"""Cost of a run: the images that pass each unit, at this machine's measured speed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.dataset import Viewer, draw_views
from finetune.embedding import Where, choice, choice_of, key_of, stored_entry
from finetune.model import Model
from finetune.recipe import Stage
from finetune.record import BASELINE
from finetune.report import duration
from finetune.runs.opening import Inputs
from finetune.verification import distinct_images

MARGIN = 15
"""Column where the values of the plan begin."""
PROBE = 64
"""Number of images for timing the forward pass."""
READ = 24
"""Number of images for timing their reading."""
BACKWARD = 2
"""Cost of a backward pass in forward passes: one for the inputs, one for the weights."""
RESTORED: tuple[int, ...] = ()
"""Mark of the restored checkpoint's weights: no stage has trained any of the units in question."""


class Cost(NamedTuple):
    """Seconds of a part of the run, and the images that it measures.

    Attributes:
        name: the baseline or a stage.
        training: seconds of the epochs, including the frozen units that they need.
        measuring: seconds of pairs, held-out identities and held-back images.
        rest: seconds of class means, banks and the restored checkpoint's embeddings of the training images.
        embedded: number of images that are measured, counted each time.
        kept: number of those whose frozen units are in the feature cache by then.
    """

    name: str
    training: float = 0.0
    measuring: float = 0.0
    rest: float = 0.0
    embedded: int = 0
    kept: int = 0

    @property
    def seconds(self) -> float:
        """Sum of all seconds."""
        return self.training + self.measuring + self.rest


class Images(NamedTuple):
    """Images that are computed together, mirrored or not."""

    paths: Sequence[Path]
    mirrored: bool = False


@dataclasses.dataclass
class _Pass:
    """Cost of passing images through the network: full forward passes, and images found in the feature cache."""

    passes: float = 0.0
    images: int = 0
    kept: int = 0

    def add(self, other: _Pass) -> None:
        self.passes += other.passes
        self.images += other.images
        self.kept += other.kept


def seconds_per_image(model: Model, pixels: np.ndarray) -> float:
    """Return the time of a forward pass per image, measured on a full batch.

    Args:
        pixels: images, uint8 [n, s, s, c]. They are repeated if there are fewer than `PROBE`.
    """
    batch = np.resize(pixels, [PROBE, *pixels.shape[1:]])
    forward = model.prefix(model.backbone.head_index)
    forward(batch).numpy()
    start = time.perf_counter()
    forward(batch).numpy()  # a call on a GPU returns before it is done
    return (time.perf_counter() - start) / PROBE


def views_per_second(inputs: Inputs) -> float:
    """Return how many training images one core reads and augments per second, measured on a few."""
    recipe, paths = inputs.recipe, inputs.train.paths
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(READ, len(paths))).astype(np.int64))
    wanted = list(draw_views(paths, chosen, 0, recipe.augment))
    viewer = Viewer(recipe.augment, 0, inputs.preprocessing)
    start = time.perf_counter()
    viewer.fill(np.empty([len(wanted), *viewer.shape], np.uint8), wanted)
    return len(wanted) / (time.perf_counter() - start)


def costs(inputs: Inputs, seconds: float) -> list[Cost]:
    """Return the cost of the baseline and of each stage, with one attempt each and all epochs.

    Args:
        seconds: time of one image's forward pass.
    """
    return list(_Costs(inputs).parts(seconds))


def time_table(parts: Sequence[Cost], seconds: float) -> list[str]:
    """Return the costs of the parts of the run as a table, with remarks."""
    total = Cost("in all", *(sum(values) for values in list(zip(*parts, strict=True))[1:]))
    width = max(MARGIN - 2, *(len(part.name) for part in (*parts, total)))
    titles = ("training", "measuring", "the rest", "in all", "images", "cached")
    columns = [max(9, len(title) + 2) for title in titles]
    head = "".join(f"{title:>{column}}" for title, column in zip(titles, columns, strict=True))
    lines = [f"{'time':{width + 2}}{head}"]
    for part in (*parts, total):
        values = [duration(value) for value in (part.training, part.measuring, part.rest, part.seconds)]
        values += [f"{part.embedded:,}", f"{part.kept:,}"]
        cells = "".join(f"{value:>{column}}" for value, column in zip(values, columns, strict=True))
        lines.append(f"  {part.name:{width}}{cells}")
    remarks = (
        f"at {1000 * seconds:.3g} ms per image and pass, as measured here just now",
        "images: those to measure; cached: of these, those whose frozen units are in the cache by then",
        "without what starting and writing take, and without stages that are tried again",
    )
    return [*lines, *(f"{'':{MARGIN}}{remark}" for remark in remarks)]


class _Costs:
    """Simulation of the run: the cost of each part, and the contents of the feature cache by then."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs, self._model, self._recipe = inputs, inputs.model, inputs.recipe
        model = inputs.model
        self._head = model.backbone.head_index
        by_unit = model.multiply_adds()
        self._frozen = [sum(by_unit[:first]) / sum(by_unit) for first in range(len(by_unit) + 1)]
        self._seen: set[tuple[Images, int, tuple[int, ...], int]] = set()
        self._boundaries = [model.backbone.boundary(stage.train_from) for stage in inputs.recipe.stages]

    def parts(self, seconds: float) -> Iterator[Cost]:
        measured = self._taken(self._pairs(), self._head, 0)
        # The nearest mean names the held-back images. If the trade-off is measured, it includes this.
        named = self._trade_off() or (self._data() if len(self._inputs.validation) else [])
        measured.add(self._taken(named, self._head, 0))
        yield Cost(BASELINE, measuring=measured.passes * seconds, embedded=measured.images, kept=measured.kept)
        for index, stage in enumerate(self._recipe.stages, start=1):
            rest = self._prepared(stage, index)
            training = self._trained(stage, index)
            measured = self._measured(index, stage.last_epoch)
            if not stage.loss.has_head or stage.loss.names_suspects:
                rest += self._taken(self._data(), self._boundaries[index - 1], index).passes
            yield Cost(
                stage.name,
                training * seconds,
                measured.passes * seconds,
                rest * seconds,
                measured.images,
                measured.kept,
            )

    def _prepared(self, stage: Stage, index: int) -> float:
        """Return the passes that a stage needs before its first epoch."""
        train = [Images(self._inputs.train.paths)]
        passes = 0.0
        if stage.init or (stage.mining and stage.mining.uses_bank):
            passes += self._taken(train, self._head, index - 1).passes
        if stage.distillation.factor and stage.distillation.of == "clean":
            passes += self._taken(train, self._head, 0).passes
        return passes

    def _trained(self, stage: Stage, index: int) -> float:
        """Return the passes of a stage's epochs."""
        inputs, recipe, first = self._inputs, self._recipe, self._boundaries[index - 1]
        n_train, n_held_back = len(inputs.train), len(inputs.validation)
        drawn = len(inputs.sampler(stage, index).epoch(1).order)
        epochs, frozen = stage.last_epoch, self._frozen[first]
        of = stage.distillation.of if stage.distillation.factor else "clean"
        passes = epochs * ((1 + BACKWARD + (of == "same")) * drawn + n_held_back) * (1 - frozen)
        if of == "view":
            passes += min(epochs, recipe.augment.views or epochs) * n_train
        where = choice(self._model, recipe, first, n_train, n_held_back).where
        if where == "off":
            return passes + epochs * (drawn + n_held_back) * frozen
        if recipe.augment.draws:  # views have their own names in the cache
            views = min(n_train * min(recipe.augment.views or 1, epochs), epochs * drawn)
            missing: float = views + self._fetch(Images(inputs.validation.paths), first, index, where)
        else:
            train, held_back = (self._fetch(images, first, index, where) for images in self._data())
            missing = min(1.0, epochs * drawn / n_train) * train + held_back  # few epochs may not reach every image
        return passes + missing * frozen

    def _measured(self, index: int, epochs: int) -> _Pass:
        """Return the passes of the measurements after the epochs of a stage and at its end."""
        first, asked = self._boundaries[index - 1], self._recipe.verification
        measured = self._taken([*self._pairs(), Images(self._inputs.validation.paths)], first, index)
        measured.add(self._taken(self._trade_off(), first, index))
        again = self._taken([*(self._pairs() if asked else []), *self._trade_off()], first, index)
        times = epochs // asked.every if asked else epochs
        measured.add(_Pass(times * again.passes, times * again.images, times * again.kept))
        return measured

    def _taken(self, groups: Sequence[Images], first: int, index: int) -> _Pass:
        """Return the passes of images at stage `index`; the cache may hold the outputs of the units before `first`."""
        taken = _Pass()
        for images in (images for images in groups if images.paths):
            n = len(images.paths)
            missing = self._fetch(images, first, index, choice_of(self._model, self._recipe.cache, first, n).where)
            taken.add(_Pass(missing * self._frozen[first] + n * (1 - self._frozen[first]), n, n - missing))
        return taken

    def _fetch(self, images: Images, first: int, index: int, where: Where) -> int:
        """Return the number of images whose outputs of the units before `first` must be computed; then they are cached.

        Args:
            where: place of the cache. A cache in memory serves one stage only.
        """
        weights = self._weights(first, index)
        key = images, first, weights, index if where == "memory" else 0
        if where != "off" and key in self._seen:
            return 0
        self._seen.add(key)
        return self._not_stored(images, first) if where == "disk" and weights == RESTORED else len(images.paths)

    def _weights(self, first: int, index: int) -> tuple[int, ...]:
        """Return the stages, up to `index`, that train units before `first`. The same stages mean the same weights."""
        return tuple(n for n, at in enumerate(self._boundaries[:index], start=1) if at < first) or RESTORED

    def _not_stored(self, images: Images, first: int) -> int:
        entry = stored_entry(self._model, first)
        if entry.folder is None or not entry.folder.is_dir():
            return len(images.paths)
        records = (self._inputs.records[path] for path in images.paths)
        return sum(key_of(record, mirrored=images.mirrored) not in entry for record in records)

    def _pairs(self) -> list[Images]:
        sets = self._inputs.sets
        mirrored = distinct_images(sets, flip=True)
        return [Images(distinct_images(sets, flip=False)), *([Images(mirrored, mirrored=True)] if mirrored else [])]

    def _trade_off(self) -> list[Images]:
        strangers = self._inputs.strangers
        if strangers is None:
            return []
        return [Images(strangers.paths), *(self._data() if len(self._inputs.validation) else [])]

    def _data(self) -> list[Images]:
        return [Images(self._inputs.train.paths), Images(self._inputs.validation.paths)]
