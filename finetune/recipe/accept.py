"""The gate of a stage: the condition under which its weights are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from finetune.schema import Fault, From0To1, From1, Range, Section, Wants
from finetune.words import listed

Figure = Literal["accuracy", "val", "auc"]
Known = Literal[
    "lfw_accuracy",
    "lfw_val",
    "lfw_auc",
    "strangers_accuracy",
    "strangers_val",
    "strangers_auc",
    "worst_group_accuracy",
]
OfSet = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}\.(accuracy|val|auc|worst_group_accuracy)$")]
WORST_GROUP = "worst_group_accuracy"
"""Lowest accuracy of the groups of people in LFW's pairs, or after the name of a set and a dot, in its pairs."""
_OF_SET = "NAME.accuracy, NAME.val, NAME.auc or NAME.worst_group_accuracy of a set in measure"
_METRICS = listed([*Known.__args__, _OF_SET], "or")  # type: ignore[attr-defined]


class Accept(Section):
    """Condition for keeping a stage. If it is not met, the weights are rolled back."""

    metric: Annotated[Known | OfSet, Wants(_METRICS)] | None = None
    """Accuracy, validation rate (`val`) or area under the ROC curve (`auc`), on LFW's pairs or the strangers' pairs.
    `worst_group_accuracy` is the lowest accuracy of the groups in `lfw.groups` that have enough pairs. For a set of
    `measure`, write its name, a dot and the figure: `novel.accuracy`. Give either this or `worst`."""
    max_drop: From0To1
    """Largest drop of the metric that is accepted, from 0 to 1."""
    bound: Literal["estimate", "lower", "upper"] = "estimate"
    """Number that must not show a larger drop. `estimate`: the difference itself. `lower`: the lower end of its 95 %
    interval, so that a larger drop is ruled out. `upper`: the upper end, so that a larger drop must be shown."""
    otherwise: Literal["continue", "stop", "retry"] = "continue"
    """Action after the roll-back: `continue` with the next stage, `stop` the run, or `retry` the stage at a lower
    rate."""
    retries: From1 | None = None
    """Number of retries, from 1, after which the run continues. Default: 1."""
    rate_factor: Annotated[float, Range(gt=0, lt=1)] | None = None
    """Factor of the learning rate in each retry, above 0, below 1. Default: 0.1."""
    since: Literal["previous", "baseline"] = "previous"
    """Reference of the comparison. `previous`: the weights that the stage started from. `baseline`: the restored
    checkpoint, so that the drops of several stages can't add up."""
    worst: Figure | None = None
    """Figure to compare on LFW's pairs and on every set of `measure`, in place of `metric`. The set with the largest
    drop decides."""

    @property
    def pairs(self) -> str:
        """The set of pairs of the metric: `lfw`, `strangers` or a set of `measure`; empty without a metric."""
        return self._parts[0]

    @property
    def figure(self) -> str:
        """The figure that is compared: `accuracy`, `val`, `auc` or that of the worst group; empty if not readable."""
        return self.worst or self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        if self.metric == WORST_GROUP:
            return "lfw", WORST_GROUP
        name, _, figure = (self.metric or "").rpartition("." if "." in (self.metric or "") else "_")
        return name, figure

    @property
    def attempts(self) -> int:
        """Largest number of attempts at a stage."""
        return 1 + (self.retries or 1) if self.otherwise == "retry" else 1

    @property
    def slower(self) -> float:
        """Factor of the learning rate in each retry."""
        return self.rate_factor or 0.1

    def rules(self) -> Iterator[Fault]:
        """Yield the problems of keys that exclude each other, and of keys that need `otherwise: retry`."""
        if self.metric is None and self.worst is None:
            yield Fault(("metric",), "missing", f"give {_METRICS}, or worst: {listed(Figure.__args__, 'or')}")  # type: ignore[attr-defined]
        if self.metric and self.worst:
            yield Fault(("worst",), "found it beside metric", "give one of the two")
        for key in ("retries", "rate_factor"):
            if self.otherwise in ("continue", "stop") and getattr(self, key):
                found = f"found it with otherwise: {self.otherwise}"
                yield Fault((key,), found, "give otherwise: retry, or drop it")

    def unmeasured(self, measured: Mapping[str, bool], remove: str) -> Iterator[Fault]:
        """Yield a problem if the figures are of pairs that nothing measures, or of groups that nothing tells.

        Args:
            measured: names of the sets of pairs that are measured, with `strangers` among them, and whether each has a
                file of groups.
            remove: advice that says how to remove the section.
        """
        sets = [name for name in measured if name != "strangers"]
        if self.worst and not sets:
            yield Fault((), "there are no pairs to judge by", f"give lfw or measure, or {remove}")
        if self.pairs in measured and self.figure == WORST_GROUP and not measured[self.pairs]:
            where = "lfw.groups" if self.pairs == "lfw" else f"groups of {self.pairs} in measure"
            yield Fault((), f"there are no groups of {self.pairs} to judge by", f"give {where}, or {remove}")
        if not self.pairs or self.pairs in measured:
            return
        if self.pairs == "lfw":
            yield Fault((), "there are no LFW figures to judge by", f"give lfw.dir and lfw.pairs, or {remove}")
        elif self.pairs == "strangers":
            yield Fault((), "there are no strangers' figures to judge by", f"give data.strangers, or {remove}")
        else:
            known = f"the sets are {listed(sets, 'and')}" if sets else "give it in measure"
            yield Fault((), f"there is no set {self.pairs!r} to judge by", f"{known}, or {remove}")
