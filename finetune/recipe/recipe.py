"""The recipe: everything that determines a run, read from strict YAML and written back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from finetune.backbones import BACKBONES, DEFAULT, Backbone, Neck as LayersOfNeck, by_name, with_neck
from finetune.errors import RecipeError, UserError
from finetune.images import Precision, Runtime
from finetune.recipe.measured import AnySets, MeasuredSet, set_rules
from finetune.recipe.sections import LFW, Augment, Data, History, Neck, PreprocessingSection, Verification
from finetune.recipe.stage import Stage
from finetune.schema import AnyPath, Fault, Range, Section, Unread, Wants
from finetune.words import listed

Cache = Literal["auto", "off", "memory", "disk"]


def _backbone(name: str) -> Any:
    try:
        by_name(name)
        return name
    except UserError as error:
        told = ((f"{one.where}: {one.found}" if one.where else one.found, one.advice) for one in error.problems)
        return Unread(*(Fault((), *parts) for parts in told))


AnyBackbone = Annotated[
    str,
    AfterValidator(_backbone),
    Field(json_schema_extra={"anyOf": [{"enum": list(BACKBONES)}, {"pattern": r"(\.keras|network\.json)$"}]}),
    Wants(f"{listed(BACKBONES, 'or')}, or the path of a .keras file"),
]


def _neck(value: object) -> Any:
    return Neck.read({"widths": value} if isinstance(value, str) else value)


def _each(stages: object) -> tuple[Any, ...]:
    if not isinstance(stages, (list, tuple)):
        raise ValueError
    return tuple(map(Stage.read, stages))


class Recipe(Section):
    """A run: its checkpoint, its training images, its stages and its measurements.

    Example:
        >>> from finetune import Recipe
        >>> recipe = Recipe.load("recipes/demo.yaml", {"stages.head.epochs": 3})
        >>> [(stage.name, stage.epochs) for stage in recipe.stages]
        [('head', 3), ('last block', 6)]
    """

    checkpoint: AnyPath | None = None
    """Directory, prefix or any file of a checkpoint. A recipe gives either this or `weights`."""
    output: AnyPath
    """Folder of the run."""
    data: Data
    """Training images, and those that are held back."""
    stages: Annotated[tuple[Stage, ...], BeforeValidator(_each), Wants("a list of stages")] = ()
    """Stages in order. The boundary of each is the previous one's, or nearer to the input. A recipe file needs at least
    one stage; from Python, stages may be added later."""
    seed: Annotated[int, Range(ge=0, le=2**31 - 1, of="a whole number")] = 666
    """Seed of all randomness, from 0 to 2³¹ - 1."""
    backbone: AnyBackbone = DEFAULT
    """Network, which defines the boundaries of the stages: a name, a `.keras` file, or the `network.json` beside a
    checkpoint of a network of your own. A checkpoint must hold this network."""
    weights: Annotated[Literal["none", "imagenet"] | AnyPath, Wants("none, imagenet, or a path")] | None = None
    """Weights of `backbone` in place of a checkpoint: `none` for random ones, `imagenet` for those that Keras
    downloads, or a file or checkpoint with weights, which may lack the layers of the embedding."""
    embedding_size: Annotated[int, Range(ge=2, le=4096, of="a whole number")] | None = None
    """Number of values in an embedding, from 2 to 4096, where no checkpoint decides it. Default: what is usual for the
    network."""
    neck: Annotated[Neck, BeforeValidator(_neck), Wants("widths such as 768-128")] | None = None
    """Layers between the features of a network of Keras's and the embedding, by their widths: `1280-256-128` is a layer
    of 256 values and the embedding of 128. Default: the embedding layer alone, with batch normalization."""
    averages: bool = False
    """Take the moving averages that the checkpoint's training kept of its variables, in place of the variables."""
    preprocessing: PreprocessingSection = PreprocessingSection()
    """Input size and standardization, where they differ from what the checkpoint says."""
    augment: Augment = Augment()
    """Random changes of each training image."""
    lfw: LFW | None = None
    """Pairs to measure before the first stage and after each stage. Default: none."""
    batch_size: Annotated[int, Range(ge=1, of="a whole number of images")] = 90
    """Number of images per step over all replicas, from 1."""
    # YAML 1.1 reads a bare `off` as false.
    cache: Annotated[
        Cache, BeforeValidator(lambda value: "off" if value is False else value, Cache | Literal[False])
    ] = "auto"
    """Place of the feature cache, which stores the outputs of the frozen units so that they are computed once."""
    precision: Precision = "float32"
    """Precision of the convolutions, in training and in measuring. `bfloat16` is faster on hardware that supports it;
    weights, prelogits, losses and gradient sums stay float32."""
    runtime: Runtime = "tensorflow"
    """Runtime of embeddings and frozen units: `tensorflow`, or `openvino`, an extra for CPUs."""
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"
    """Devices that train: `none` (one device), `mirrored` (all GPUs of this machine) or `multi_worker` (the processes
    that TF_CONFIG names)."""
    history: History = History()
    """Formats of the history beside CSV."""
    verification: Verification | None = None
    """Measurement of LFW's and the strangers' pairs, and of those of `measure`, within the stages. Default: LFW's pairs
    and those of `measure` are measured before the first stage and after each stage, and the strangers' after each epoch
    too."""
    measure: AnySets | None = None
    """Further sets of pairs to measure, beside those of `lfw`. An image of several sets is embedded once. Default:
    none."""

    @classmethod
    def load(cls, path: str | os.PathLike[str], overrides: Mapping[str, object] | None = None) -> Recipe:
        """Return the recipe in a YAML file.

        Args:
            path: path of the file, or the name of a recipe that comes with finetune: `recipes/small.yaml`.
            overrides: values that replace the file's, by dotted key: `data.train`, `stages.head.epochs` or
                `stages.0.epochs`. Text is read as YAML.

        Raises:
            RecipeError: the recipe can't be used. Every problem is one line, with the file's line or the override's
                key.
        """
        from finetune.recipe.reader import Document  # it imports YAML, which Stage does not need

        document = Document(path)
        for key, value in (overrides or {}).items():
            document.override(key, value)
        recipe: Recipe = cls.read(document.values)
        found = list(recipe.faults)
        if document.values.get("stages", []) == []:
            found.append(Fault(("stages",), "no stages", "give at least one, with its name, train_from and epochs"))
        if problems := document.problems(found):
            raise RecipeError(*problems)
        return recipe

    def to_yaml(self) -> str:
        """Return the whole recipe as YAML, with its defaults. Loading it gives an equal recipe."""
        import yaml

        return yaml.safe_dump(self.to_value(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)

    def rules(self) -> Iterator[Fault]:
        """Yield the conflicts between stages and between sections."""
        stages = [(index, stage) for index, stage in enumerate(self.stages or ()) if stage]
        yield from _names(stages)
        yield from self._beginning()
        if self.backbone:
            yield from _boundaries(stages, by_name(self.backbone))
        if self.cache in ("memory", "disk") and self.augment and self.augment.draws and not self.augment.views:
            found = f"found {self.cache!r}, but augment draws each image anew"
            yield Fault(("cache",), found, "set cache: auto, or give augment.views")
        if self.strategy in ("mirrored", "multi_worker"):
            yield from self._on_several(stages)
        if self.data and self.data.labels == "none":
            yield from _of_labels(stages)
        yield from (fault._replace(keys=("measure", *fault.keys)) for fault in set_rules(self.measure or ()))
        given = self.lfw, self.measure, self.data and self.data.strangers
        if self.verification and all(part is None for part in given):
            advice = "give lfw, measure or data.strangers, or remove it"
            yield Fault(("verification",), "there are no pairs to measure", advice)
        sets = self.measure or ()
        measured = {} if self.lfw is None else {"lfw": not self.lfw or self.lfw.groups is not None}
        measured |= {one.name: one.groups is not None for one in sets if one and one.name}
        measured |= {"strangers": False} if not self.data or self.data.strangers is not None else {}
        unread = len([one for one in sets if one and one.name]) < len(sets) or isinstance(self.measure, Unread)
        for index, stage in stages:
            if stage.accept:
                names = measured | ({stage.accept.pairs or "lfw": True} if unread else {})
                told = stage.accept.unmeasured(names, f"remove it (stages.{index}.accept=null)")
                yield from (fault._replace(keys=("stages", index, "accept")) for fault in told)
            if stage.early_stopping and self.data and not self.data.validates:
                advice = f"give data.validation_split, or remove it (stages.{index}.early_stopping=null)"
                yield Fault(("stages", index, "early_stopping"), "there is no validation loss to judge by", advice)

    @property
    def sets(self) -> dict[str, LFW | MeasuredSet]:
        """All sets of pairs to measure, by name: LFW's first, then those of `measure`."""
        lfw: dict[str, LFW | MeasuredSet] = {} if self.lfw is None else {"lfw": self.lfw}
        return lfw | {one.name: one for one in self.measure or ()}

    @property
    def begins_with(self) -> Path:
        """The checkpoint, or what stands in its place: the file of weights, or the name of the network."""
        if self.checkpoint:
            return self.checkpoint
        return self.weights if isinstance(self.weights, Path) else Path(f"a fresh {self.backbone}")

    def _beginning(self) -> Iterator[Fault]:
        """Yield the problems of the keys that say what the training begins with."""
        if self.checkpoint is None and self.weights is None:
            yield Fault(("checkpoint",), "missing", "give a path, or weights: none, imagenet or a file")
        if self.checkpoint and self.weights:
            yield Fault(("weights",), "found it beside checkpoint", "give one of the two")
        fresh = self.weights == "none"
        if self.checkpoint and self.weights is None:
            for key in ("embedding_size", "neck"):
                if getattr(self, key):
                    yield Fault((key,), "found it without weights", "drop it; the checkpoint decides")
        if self.backbone:
            yield from self._of_network(by_name(self.backbone))
        if self.preprocessing and self.preprocessing.channels and not fresh:
            found, advice = "found it without weights: none", "drop it; the checkpoint decides"
            yield Fault(("preprocessing", "channels"), found, advice)
        if self.averages and fresh:
            yield Fault(("averages",), "found it with weights: none", "drop it; there is no checkpoint")
        size = self.preprocessing and self.preprocessing.image_size
        if size and self.backbone and size < (least := by_name(self.backbone).least_image_size):
            advice = f"give a whole number of pixels from {least}"
            yield Fault(("preprocessing", "image_size"), f"found {size}, too few for {self.backbone}", advice)

    def _of_network(self, backbone: Backbone) -> Iterator[Fault]:
        """Yield the problems of keys that only some networks have."""
        if self.weights == "imagenet" and not backbone.keras_name:
            networks = listed([other.name for other in BACKBONES.values() if other.keras_name], "or")
            yield Fault(("weights",), f"there are none of ImageNet for {backbone.name}", f"set backbone: {networks}")
        if not self.neck:
            return
        if not backbone.features:
            yield Fault(("neck",), f"{backbone.name} has an embedding layer of its own", "drop it")
        elif self.neck.numbers and self.neck.numbers[0] != backbone.features:
            found = f"begins with {self.neck.numbers[0]}, where {backbone.name} has {backbone.features} features"
            yield Fault(("neck",), found, f"begin with {backbone.features}")
        elif self.embedding_size and self.neck.numbers and self.neck.numbers[-1] != self.embedding_size:
            found = f"ends with {self.neck.numbers[-1]}, where embedding_size is {self.embedding_size}"
            yield Fault(("neck",), found, "drop embedding_size")

    @property
    def network(self) -> Backbone:
        """The network, with the recipe's neck."""
        backbone = by_name(self.backbone)
        if not self.neck:
            return backbone
        return with_neck(backbone, LayersOfNeck(self.neck.numbers[1:-1], self.neck.batch_norm))

    @property
    def embedding(self) -> int | None:
        """The number of values in an embedding that the recipe asks for."""
        return self.neck.numbers[-1] if self.neck else self.embedding_size

    def _on_several(self, stages: list[tuple[int, Stage]]) -> Iterator[Fault]:
        """Yield the keys that work on one device only, or that several workers can't share."""
        if self.strategy == "multi_worker" and self.data:
            if self.data.align:
                advice = "run finetune align first, and give the folder of crops as data.train"
                yield Fault(("data", "align"), "the workers would all align", advice)
            for key in ("strangers", "filter"):
                if getattr(self.data, key):
                    advice = "part the folder first (finetune split), or give strategy: none"
                    yield Fault(("data", key), "not under strategy: multi_worker", advice)
        why = f"not under strategy: {self.strategy} (losses over a whole batch, and what follows them, take one device)"
        for index, stage in stages:
            asked = {
                "loss": stage.loss and (stage.loss.whole_batch or not stage.loss.has_head),
                "center_loss": stage.center_loss and stage.center_loss.factor,
                "distillation": stage.distillation and stage.distillation.factor,
                **{key: getattr(stage, key) for key in ("init", "clip_norm", "ema")},
            }
            for key in (key for key in type(stage).model_fields if asked.get(key)):
                yield Fault(("stages", index, key), why, "give strategy: none, or remove it")


def _of_labels(stages: list[tuple[int, Stage]]) -> Iterator[Fault]:
    """Yield the keys of the stages that ask who is in an image, where nobody knows."""
    for index, stage in stages:
        asked = {
            "loss": stage.loss and stage.loss.name != "none",
            "sampling": stage.sampling and stage.sampling != "shuffled",
            "center_loss": stage.center_loss and stage.center_loss.factor,
        }
        for key in (key for key, needs in asked.items() if needs):
            advice = "give loss: none" if key == "loss" else "remove it"
            yield Fault(("stages", index, key), "found it beside data.labels: none", advice)


def _names(stages: list[tuple[int, Stage]]) -> Iterator[Fault]:
    """Yield names that would share a folder, also on a file system that ignores case."""
    for (first, stage), (index, other) in combinations([pair for pair in stages if pair[1].name], 2):
        if stage.slug.casefold() == other.slug.casefold():
            found = f"found {other.name!r}, and stages[{first}] is {stage.name!r}"
            yield Fault(("stages", index, "name"), found, "give each stage its own name")


def _boundaries(stages: list[tuple[int, Stage]], backbone: Backbone) -> Iterator[Fault]:
    """Yield boundaries of other networks, that move away from the input, or that leave nothing to train."""
    for index, stage in stages:
        named = {key: name for key in ("train_from", "train_to") if (name := getattr(stage, key))}
        for key, name in named.items():
            yield from _not_a_block(("stages", index, key), name, backbone)
        if len(named) == 2 and all(name in backbone.boundaries for name in named.values()):
            yield from _ends_early(("stages", index, "train_to"), stage, backbone)
    own = [(index, stage.train_from) for index, stage in stages if stage.train_from in backbone.boundaries]
    for (before, wider), (index, narrower) in pairwise(own):
        if backbone.boundary(narrower) > backbone.boundary(wider):
            found = f"{narrower!r} lies after {wider!r}, from which stages[{before}] trains"
            yield Fault(("stages", index, "train_from"), found, "a boundary stays or moves toward the input")


def _not_a_block(key: tuple[str | int, ...], name: str, backbone: Backbone) -> Iterator[Fault]:
    """Yield the problem of a name that is no block of the network."""
    others = [other.name for other in BACKBONES.values() if name in other.boundaries]
    if others and name not in backbone.boundaries:
        found = f"{name!r} is not a block of {backbone.name}"
        yield Fault(key, found, f"choose one of {', '.join(backbone.blocks)}, or set backbone: {listed(others, 'or')}")
        return
    try:
        backbone.boundary(name)
    except UserError as error:
        yield from (Fault(key, one.found, one.advice) for one in error.problems)


def _ends_early(key: tuple[str | int, ...], stage: Stage, backbone: Backbone) -> Iterator[Fault]:
    """Yield the problem of a last block that lies before the first, or that is the head, which trains anyway."""
    assert stage.train_to is not None
    if stage.train_to == backbone.head:
        yield Fault(key, f"{backbone.head!r} trains anyway", "remove it, or give a block before the head")
    elif backbone.end(stage.train_to) <= backbone.boundary(stage.train_from):
        yield Fault(key, f"{stage.train_to!r} lies before {stage.train_from!r}", "give a block from train_from on")
