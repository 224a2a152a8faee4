"""The description of a checkpoint for people and for programs, as `finetune inspect` shows it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from finetune.backbones import LICENCE, Published, find_published_file
from finetune.brief import Brief
from finetune.checkpoint.accounting import account
from finetune.checkpoint.formats import TF1
from finetune.checkpoint.location import Located
from finetune.checkpoint.plan import Contents, Shape, plan_restore
from finetune.images import Preprocessing
from finetune.words import counted

VALUE_BYTES = 4
"""Bytes of a value, in float32."""


@dataclasses.dataclass(frozen=True)
class UnitContents:
    """The stored variables of one unit, as shapes by TF1 name."""

    name: str
    variables: Mapping[str, Shape]

    @property
    def values(self) -> int:
        """The number of values in them."""
        return sum(math.prod(shape) for shape in self.variables.values())

    def lines(self) -> list[str]:
        """Return a line with the unit's counts, and one line per variable with its shape."""
        own = ((name.partition(f"{self.name}/")[2], shape) for name, shape in self.variables.items())
        return [
            f"{self.name}: {counted(len(self.variables), 'variable')}, {counted(self.values, 'value', ',')}",
            *(f"  {name} {list(shape)}" for name, shape in own),
        ]


@dataclasses.dataclass(frozen=True, repr=False)
class Description(Brief):
    """A checkpoint, with every variable accounted for.

    Attributes:
        located: files of the checkpoint.
        contents: backbone, embedding size and number of classes.
        units: units with variables, in the order of the network, without the head.
        preprocessing: preprocessing that the checkpoint expects, and the source of that knowledge.
        sha256: digest of each file that holds values.
        skipped: other stored variables, with a description of each.
        remarks: remarks on names and values that differ from those in the files.
    """

    located: Located
    contents: Contents
    units: tuple[UnitContents, ...]
    preprocessing: Preprocessing
    sha256: Mapping[str, str]
    skipped: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain values for `json.dump`."""
        return {
            "checkpoint": str(self.located.prefix),
            "kind": self.located.format.name,
            "backbone": self.contents.backbone.name,
            "embedding_size": self.contents.embedding_size,
            "num_classes": self.contents.num_classes,
            "variables": sum(len(unit.variables) for unit in self.units),
            "values": sum(unit.values for unit in self.units),
            "units": [
                {
                    "name": unit.name,
                    "values": unit.values,
                    "variables": {name: list(shape) for name, shape in unit.variables.items()},
                }
                for unit in self.units
            ],
            "skipped": dict(self.skipped),
            "remarks": list(self.remarks),
            "published": self.published[0].name if self.published else None,
            "preprocessing": dataclasses.asdict(self.preprocessing),
            "sha256": dict(self.sha256),
        }

    def lines(self, *, variables: bool = False) -> list[str]:
        """Return lines about the checkpoint, its blocks, and the skipped variables.

        Args:
            variables: whether to list all variables, unit by unit, in place of the blocks.
        """
        size, classes = self.contents.embedding_size, self.contents.num_classes
        expects, form = self.preprocessing, self.located.format
        return [
            f"checkpoint      {self.located.prefix}" + ("" if form is TF1 else f" ({form.title})"),
            "usable          yes, as CHECKPOINT of a command or checkpoint= of a recipe",
            f"network         {self.contents.backbone.title}",
            f"embedding size  {size}",
            f"classes         {classes if classes is not None else 'none stored'}",
            *self._origin_lines(),
            f"preprocessing   {expects.words} ({expects.source})",
            *(f"remark          {remark}" for remark in self.remarks),
            *(f"sha256          {digest}  {name}" for name, digest in self.sha256.items()),
            "",
            *([line for unit in self.units for line in unit.lines()] if variables else self._block_lines()),
            *self._skipped_lines(),
        ]

    @property
    def published(self) -> tuple[Published, str] | None:
        """The published checkpoint whose file this is, by its digest, and the file's description."""
        return find_published_file(self.sha256.values())

    def _origin_lines(self) -> list[str]:
        if self.published is None:
            return []
        model, file = self.published
        return [
            f"known as        {file} of {model.name}",
            f"trained on      {model.trained_on}",
            f"LFW             {model.lfw_accuracy} as published (see finetune validate)",
            f"licence         {LICENCE}",
        ]

    def _block_lines(self) -> list[str]:
        """Return a table of the blocks, each a unit or a repeat of units, with a line for all of them."""
        rows = [("block", "units", "variables", "values", "MiB")]
        blocks = groupby(self.units, key=lambda unit: unit.name.split("/")[0])
        for name, units in (*((name, list(units)) for name, units in blocks), ("in all", list(self.units))):
            values = sum(unit.values for unit in units)
            count = sum(len(unit.variables) for unit in units)
            rows.append((name, str(len(units)), str(count), f"{values:,}", f"{values * VALUE_BYTES / 2**20:.1f}"))
        width = max(len(name) for name, *_ in rows)
        return [f"{row[0]:{width}}{row[1]:>7}{row[2]:>11}{row[3]:>13}{row[4]:>7}" for row in rows]

    def _skipped_lines(self) -> list[str]:
        by_reason = sorted(self.skipped, key=lambda name: (self.skipped[name], name))
        groups = [(reason, list(names)) for reason, names in groupby(by_reason, key=self.skipped.__getitem__)]
        return [
            f"skipped: {', '.join(names[:2])}{f' and {len(names) - 2} more' if len(names) > 2 else ''}: {reason}"
            for reason, names in groups
        ]


def describe(path: str | Path) -> Description:
    """Describe a checkpoint that `Model.restore` can restore, by the same checks.

    Raises:
        CheckpointError: `Model.restore` would raise it too.
    """
    found = account(path, values="checked")
    backbone = found.backbone
    needed = {name: shape for name, shape in found.needed.items() if not backbone.is_head(name)}
    stored, located = found.stored, found.located
    assert stored is not None
    assert located is not None
    where = located.prefix
    plan = plan_restore(backbone, stored.shapes, needed, where=where, skipped=stored.variables.skipped)
    by_unit: dict[str, dict[str, Shape]] = {unit: {} for unit in backbone.names}
    for name in plan.restored:
        by_unit[backbone.unit_of(name) or ""][name] = needed[name]
    return Description(
        located=located,
        contents=found.contents,
        units=tuple(UnitContents(unit, variables) for unit, variables in by_unit.items() if variables),
        preprocessing=found.preprocessing,
        sha256=stored.digests,
        skipped=plan.skipped,
        remarks=stored.variables.remarks,
    )
