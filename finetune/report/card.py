"""Model card of a run, `MODEL_CARD.md`: what its weights are, how well they do, and what they are not for.

The sections follow Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import jinja2

from finetune.backbones import BACKBONES, DEFAULT, find_published
from finetune.report.front_matter import front_matter
from finetune.report.groups import group_rows
from finetune.report.page import FARS, environment, headline, set_rows
from finetune.report.record import Record
from finetune.verification import operating_point

FILE_NAME = "MODEL_CARD.md"
CODE = (
    "FaceNet: Schroff, Kalenichenko and Philbin 2015 (arXiv:1503.03832); the checkpoint's format, network and protocol "
    "are those of davidsandberg/facenet (MIT licence)"
)
IMAGENET = "ImageNet: Russakovsky et al. 2015, “ImageNet Large Scale Visual Recognition Challenge” (arXiv:1409.0575)"
LFW = "LFW: Huang, Ramesh, Berg and Learned-Miller 2007, “Labeled Faces in the Wild” (University of Massachusetts)"


ORIGINS = {
    "None": "fine-tuned with finetune {} from a FaceNet checkpoint",
    "none": "trained from scratch with finetune {}",
    "imagenet": "fine-tuned with finetune {} from ImageNet's weights",
}
"""Origins of the weights in words, by the recipe's key `weights`."""


def render(record: Record) -> str:
    """Return the model card of a run, in Markdown with front matter."""
    lfw = record.chosen.lfw
    text = (
        _templates()
        .get_template("MODEL_CARD.md.jinja")
        .render(
            record=record,
            headline=headline(record),
            sets=set_rows(record),
            groups=group_rows(record.start, record.chosen),
            kept=next((result for result in reversed(record.results) if result.accepted), None),
            thresholds=[(far, operating_point(lfw, far)) for far in FARS] if lfw else [],
            credits=_credits(record),
            backbone=_title(record.inputs["checkpoint"].get("backbone", DEFAULT)),
            origin=ORIGINS.get(str(record.recipe.weights), "fine-tuned with finetune {} from other weights"),
            embedding_size=record.inputs["checkpoint"].get("embedding_size"),
            unaligned=_unaligned(record),
        )
    )
    return front_matter(record) + "\n" + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _title(name: str) -> str:
    """Return the title of a network, or the name of one of the user's own."""
    return BACKBONES[name].title if name in BACKBONES else name


def _unaligned(record: Record) -> list[str]:
    """Return sentences about images that were not aligned as the network expects."""
    images = record.inputs["doctor"].get("counts", {}).get("unaligned", 0)
    trained = [f"finetune doctor found {images:,} unaligned images in the training folder"] if images else []
    measured = [record.inputs["lfw"], *record.inputs.get("measure", {}).values()]
    return [*trained, *dict.fromkeys(sentence for pairs in measured for sentence in pairs.get("unaligned", []))]


def _credits(record: Record) -> list[str]:
    prefix = Path(record.inputs["checkpoint"]["prefix"])
    published = find_published(prefix.parent, prefix.name)
    before = "What the checkpoint was trained on is not known to finetune: credit those who provide that data too"
    if published:
        before = published.trained_on
    elif record.recipe.weights == "imagenet":
        before = IMAGENET
    trained_before = [] if record.recipe.weights == "none" else [before]
    return [*trained_before, *([LFW] if record.final else []), CODE]


def _templates() -> jinja2.Environment:
    """Return the templates, with filters that escape text for Markdown."""
    made = environment().overlay()
    made.filters = made.filters | {"cell": _cell, "code": _code, "shell": shlex.quote}
    return made


def _cell(value: object) -> str:
    """Return text for a table cell or a sentence, with all Markdown escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(str(value).split()))


def _code(value: object) -> str:
    """Return text for use between backticks."""
    return " ".join(str(value).split()).replace("`", "'")
