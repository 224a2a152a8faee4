"""The recipe: everything that decides a run, read from strict YAML and written back."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml

from finetune.architecture import boundary
from finetune.errors import RecipeError
from finetune.images import PRECISIONS, RUNTIMES, Precision, Runtime
from finetune.recipe.checks import PATH, Check, one_of, optional, whole
from finetune.recipe.history import History
from finetune.recipe.reader import Document
from finetune.recipe.section import UNREAD, Problem, Section, SectionError, build, list_of, section
from finetune.recipe.sections import LFW, Augment, Data, PreprocessingSection
from finetune.recipe.stage import Stage

Cache = Literal["auto", "off", "memory", "disk"]
_CACHE = one_of(("auto", "off", "memory", "disk"))
# YAML 1.1 reads a bare `off` as false.
CACHE = Check(_CACHE.wants, lambda value: "off" if value is False else _CACHE.read(value))
Strategy = Literal["none", "mirrored", "multi_worker"]
STRATEGY = one_of(("none", "mirrored", "multi_worker"))


@dataclasses.dataclass(frozen=True)
class Recipe(Section):
    """A run: from which checkpoint, on which images, in which stages, measured how.

    Attributes:
        checkpoint: a directory, a prefix, any of a checkpoint's files, or a frozen .pb.
        output: the run's folder.
        data: the images to train on.
        stages: in order; each boundary lies where the one before it lay, or nearer to the input.
            A recipe's file has one at least; from Python they may come later.
        seed: of all randomness, from 0 to 2³¹ - 1.
        preprocessing: what is given here in place of what the checkpoint says.
        augment: what is drawn anew for each training image.
        lfw: what is measured before the first stage and after each; None: nothing.
        batch_size: images in a step, from 1; of all replicas together.
        cache: where what the frozen units give is kept, so that it is computed once: `auto`, `off`,
            `memory` or `disk`.
        precision: of the convolutions, in training and in measuring; `bfloat16` is faster where there are
            units for it. Weights, prelogits, losses and gradients' sums stay float32.
        runtime: what computes embeddings and frozen units: `tensorflow`, or `openvino`, an extra for CPUs.
        history: in which forms the history is kept, beside CSV.
        strategy: who computes: `none` (one device), `mirrored` (all GPUs of this machine) or
            `multi_worker` (several processes, which TF_CONFIG names).

    Raises:
        RecipeError: values that can't be used, one line each.
    """

    checkpoint: Annotated[Path, PATH]
    output: Annotated[Path, PATH]
    data: Annotated[Data, section(Data)]
    stages: Annotated[tuple[Stage, ...], list_of("a list of stages", section(Stage))] = ()
    seed: Annotated[int, whole(0, 2**31 - 1)] = 666
    preprocessing: Annotated[PreprocessingSection, section(PreprocessingSection)] = dataclasses.field(
        default_factory=PreprocessingSection
    )
    augment: Annotated[Augment, section(Augment)] = dataclasses.field(default_factory=Augment)
    lfw: Annotated[LFW | None, optional(section(LFW))] = None
    batch_size: Annotated[int, whole(1, unit="images")] = 90
    cache: Annotated[Cache, CACHE] = "auto"
    precision: Annotated[Precision, one_of(PRECISIONS)] = "float32"
    runtime: Annotated[Runtime, one_of(RUNTIMES)] = "tensorflow"
    strategy: Annotated[Strategy, STRATEGY] = "none"
    history: Annotated[History, section(History)] = dataclasses.field(default_factory=History)

    @classmethod
    def load(cls, path: str | os.PathLike[str], overrides: Mapping[str, object] | None = None) -> Recipe:
        """The recipe in a YAML file.

        Args:
            path: the file, or the name of one that comes with finetune: `recipes/small.yaml`.
            overrides: values that go before the file's, by dotted key: `data.train`,
                `stages.head.epochs` or `stages.0.epochs`. Text is read as YAML.

        Raises:
            RecipeError: every problem, one line each, with the file's line or the override's key.
        """
        document = Document.read(path)
        for key, value in (overrides or {}).items():
            document.override(key, value)
        problems = list(document.problems)
        if document.values.get("stages", []) == []:
            problems.append(Problem(("stages",), "no stages; give at least one, with its name, train_from and epochs"))
        try:
            recipe = build(cls, document.values)
        except SectionError as error:
            problems += error.found
        if problems:
            raise RecipeError(*document.lines(problems))
        return recipe

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Recipe:
        """The recipe of plain keys and values, as its file would hold them.

        Raises:
            RecipeError: every problem, one line each.
        """
        return build(cls, values)

    def to_yaml(self) -> str:
        """The whole recipe, defaults included; loading it gives an equal one."""
        return yaml.safe_dump(self.to_value(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)

    def _across(self) -> Iterable[Problem]:
        yield from _names(self.stages or ())
        yield from _boundaries(self.stages or ())
        if self.strategy not in ("none", UNREAD):
            yield from _alone(self.stages or (), self.strategy)
        if self.cache in ("memory", "disk") and self.augment and self.augment.draws and not self.augment.views:
            text = f"found {self.cache!r}, but augment draws each image anew; set cache: auto, or give augment.views"
            yield Problem(("cache",), text)
        if self.data and self.data.align and self.strategy == "multi_worker":
            text = "the workers would all align; run finetune align first, and give the folder of crops as data.train"
            yield Problem(("data", "align"), text)
        for key in ("strangers", "filter"):
            if self.data and getattr(self.data, key) and self.strategy == "multi_worker":
                text = (
                    "not under strategy: multi_worker; part the folder first (finetune split), or give strategy: none"
                )
                yield Problem(("data", key), text)
        for index, stage in enumerate(self.stages or ()):
            judged = stage and stage.accept and stage.accept.pairs
            if judged == "lfw" and self.lfw is None:
                text = "there are no LFW figures to judge by; give lfw.dir and lfw.pairs, or remove it"
                yield Problem(("stages", index, "accept"), text)
            if judged == "strangers" and self.data and self.data.strangers is None:
                text = "there are no strangers' figures to judge by; give data.strangers, or remove it"
                yield Problem(("stages", index, "accept"), text)
            if stage and stage.early_stopping and self.data and self.data.validation_split == 0:
                text = "there is no validation loss to judge by; give data.validation_split, or remove it"
                yield Problem(("stages", index, "early_stopping"), text)


def _names(stages: tuple[Stage, ...]) -> Iterable[Problem]:
    """Names that would share a folder, on a file system that ignores case too."""
    named = [(index, stage) for index, stage in enumerate(stages) if stage and stage.name]
    for (first, stage), (index, other) in combinations(named, 2):
        if stage.slug.casefold() == other.slug.casefold():
            text = f"found {other.name!r}, and stages[{first}] is {stage.name!r}; give each stage its own name"
            yield Problem(("stages", index, "name"), text)


def _boundaries(stages: tuple[Stage, ...]) -> Iterable[Problem]:
    """Boundaries that move back from the input."""
    bounded = [(index, stage.train_from) for index, stage in enumerate(stages) if stage and stage.train_from]
    for (before, wider), (index, narrower) in pairwise(bounded):
        if boundary(narrower) > boundary(wider):
            text = (
                f"{narrower!r} lies after {wider!r}, from which stages[{before}] trains; "
                "a boundary stays or moves toward the input"
            )
            yield Problem(("stages", index, "train_from"), text)


def _alone(stages: tuple[Stage, ...], strategy: Strategy) -> Iterable[Problem]:
    """What takes a whole batch, or the same numbers on all, and so one device."""
    for index, stage in enumerate(stages):
        if not stage:
            continue
        asked = {
            "loss": bool(stage.loss) and not stage.loss.has_head,
            "init": bool(stage.init),
            "distillation": bool(stage.distillation),
            "center_loss": bool(stage.center_loss and stage.center_loss.factor),
            "clip_norm": bool(stage.clip_norm),
            "ema": bool(stage.ema),
        }
        for key in (key for key, found in asked.items() if found):
            text = f"not under strategy: {strategy} (losses over a whole batch, and what follows them, take one device)"
            yield Problem(("stages", index, key), f"{text}; give strategy: none, or remove it")
