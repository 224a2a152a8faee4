"""Front matter of the model card: the metadata that Hugging Face reads, with the figures as a `model-index`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from finetune.report.record import Record
from finetune.verification import OF_LFW, VerificationResult

VERIFICATION = {"type": "face-verification", "name": "Face verification"}
IDENTIFICATION = {"type": "image-classification", "name": "Naming of the people trained on"}
TAGS = ("face-recognition", "face-verification", "facenet")


def front_matter(record: Record) -> str:
    """Return YAML between two lines of dashes: library, task, tags, and the figures of the weights to use.

    There is no license in it, because whoever publishes the weights has to choose one.
    """
    content: dict[str, Any] = {
        "library_name": "finetune",
        "pipeline_tag": "image-feature-extraction",
        "tags": list(TAGS),
    }
    results = list(_results(record))
    if results:
        content["metrics"] = sorted({metric["type"] for result in results for metric in result["metrics"]})
        content["model-index"] = [{"name": record.name, "results": results}]
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)}---\n"


def _results(record: Record) -> Iterator[dict[str, Any]]:
    """Yield an entry of the index for each set that the weights to use were measured on."""
    chosen = record.chosen
    for name, result in chosen.sets.items():
        of_lfw = name == OF_LFW and record.recipe.lfw
        yield _of_pairs(of_lfw.pairs.name if of_lfw else name, result)
    if chosen.trade_off:
        yield _of_pairs("people held out", chosen.trade_off.strangers)
    if chosen.held_back:
        yield _entry(IDENTIFICATION, "held-back images", {"accuracy": ("accuracy", chosen.held_back.accuracy)})


def _of_pairs(name: str, result: VerificationResult) -> dict[str, Any]:
    rate = f"validation rate at a false accept rate of {result.far_target:g}"
    figures: dict[str, tuple[str, float | None]] = {
        "accuracy": ("accuracy", result.accuracy),
        "true_accept_rate": (rate, result.val),
        "roc_auc": ("AUC", result.auc),
        "equal_error_rate": ("equal error rate", result.eer),
    }
    return _entry(VERIFICATION, name, figures)


def _entry(task: dict[str, str], dataset: str, figures: dict[str, tuple[str, float | None]]) -> dict[str, Any]:
    """Return an entry of the index; figures that are not known are left out."""
    metrics = [
        {"type": kind, "name": name, "value": round(value, 6)}
        for kind, (name, value) in figures.items()
        if value is not None and math.isfinite(value)
    ]
    return {"task": dict(task), "dataset": {"type": "private", "name": dataset}, "metrics": metrics}
