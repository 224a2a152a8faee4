"""All forms of pairs files, and the one that a file has. A new form is a module and an entry in this list."""

from __future__ import annotations

import os
from pathlib import Path

from finetune.errors import DataError, Problem
from finetune.files import read_text
from finetune.paths import excerpt
from finetune.verification import PairsFile
from finetune.verification.formats import bin_set, cfp
from finetune.verification.formats.format import Line, TextForm
from finetune.verification.formats.lfw import LFW_PAIRS
from finetune.verification.formats.table import TABLE
from finetune.verification.formats.two_lines import TWO_LINES
from finetune.words import listed

TEXT_FORMS: tuple[TextForm, ...] = (TABLE, TWO_LINES, LFW_PAIRS)
"""Forms of text. Of two that fit equally many lines, the first one is taken."""
SAMPLED = 50
"""Number of lines that tell a file's form."""
FORMS = listed([*(form.name for form in (LFW_PAIRS, TABLE, TWO_LINES)), bin_set.NAME, cfp.NAME], "or")
"""Names of all forms, for messages."""


def read_pairs(path: str | os.PathLike[str]) -> PairsFile:
    """Read a pairs file in any form. The form is recognised by the content.

    Args:
        path: pairs file, or CFP's folder of folds.

    Raises:
        DataError: the file can't be read, is in none of the forms, or has malformed lines; one line per malformed line.
    """
    path = Path(os.path.expanduser(path))
    if path.is_dir():
        return cfp.read(path)
    if holds_images(path):
        return bin_set.read(path)
    text = read_text(path, FORMS)
    lines = [Line(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _form(path, lines).read(path, lines)


def holds_images(path: str | os.PathLike[str]) -> bool:
    """Return whether a pairs file holds its images, so that no folder of images is needed."""
    try:
        return bin_set.is_bin(Path(os.path.expanduser(path)))
    except OSError:
        return False  # the reading says why


def _form(path: Path, lines: list[Line]) -> TextForm:
    """Return the form in which most of a file's first lines are written."""
    if not lines:
        raise DataError(Problem(path, "found no pairs", f"give {FORMS}"))
    sample = [line.text for line in lines[:SAMPLED]]
    fits = {form.name: form.fits(sample) for form in TEXT_FORMS}
    if not any(fits.values()):
        found = f"found {excerpt(sample[0])} in line {lines[0].number}, and no line of a pairs file"
        raise DataError(Problem(path, found, f"give {FORMS}"))
    return max(TEXT_FORMS, key=lambda form: fits[form.name])
