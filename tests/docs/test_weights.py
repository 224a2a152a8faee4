"""The tables of what goes in and out name exactly the formats that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finetune.checkpoint.formats import ARCHIVES, SINGLE_FILES
from finetune.export.formats import FORMATS, NAMES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/weights.md"
CODE = re.compile(r"`([^`]+)`")

pytestmark = pytest.mark.tf


def rows(page: Path, title: str) -> list[list[str]]:
    """Return the cells of the table whose first title is given."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {title} |"))
    table = lines[start + 2 :]
    end = next((at for at, line in enumerate(table) if not line.startswith("|")), len(table))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:end]]


def test_the_page_has_every_file_that_is_read_and_no_other() -> None:
    told = {suffix for _, files, read, _ in rows(PAGE, "form") if read == "yes" for suffix in CODE.findall(files)}
    single = {suffix for form in SINGLE_FILES for suffix in form.suffixes if suffix != ".hdf5"}
    several = {".index", ".data-…", "saved_model.pb", "variables/", ".weights.h5"}
    assert told == single | several | set(ARCHIVES) - {".tgz"}


def test_the_page_has_every_export_and_no_other() -> None:
    told = {name for *_, written in rows(PAGE, "form") for name in CODE.findall(written)}
    assert told == set(FORMATS) | {f"h5 --names {names}" for names in NAMES}


def test_the_readme_says_the_same() -> None:
    (both, forms), (only, others) = rows(ROOT / "README.md", "weights")
    assert (both, only) == ("read and written", "only written")
    page = {form: (read, written != "no") for form, _, read, written in rows(PAGE, "form")}
    words = {"TF1 checkpoint", "frozen graph", "SavedModel", "Keras's layers", "ONNX", "safetensors"}
    words |= {"facenet-pytorch's", "DeepFace's weights for Keras", "keras-facenet's"}
    assert {word.split("'s")[0].removesuffix(" layers") for word in words} == set(re.split("[,;] ", forms))
    for word in words:
        (answers,) = [answers for form, answers in page.items() if word in form and "archive" not in form]
        assert answers == ("yes", True), word
    assert page[others] == ("no", True)
