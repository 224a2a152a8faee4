"""The final table of a run, as a picture: python tests/verify/picture.py RUN OUT.png FONT.ttf (of one width)."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from finetune.progress import WIDTH
from finetune.recipe import Recipe
from finetune.runs import tables
from finetune.runs.folder import RunFolder
from finetune.runs.results import stored_results

run, out, font_file = map(Path, sys.argv[1:])
recipe = Recipe.load(run / "recipe.yaml")
text = io.StringIO()
console = Console(file=text, width=WIDTH)
console.print(tables.stages(*stored_results(RunFolder(run), recipe.stages)))
lines = [line.rstrip() for line in text.getvalue().strip("\n").splitlines()]
font = ImageFont.truetype(str(font_file), 22)
width, height = int(max(font.getlength(line) for line in lines)) + 48, 32 * len(lines) + 40
picture = Image.new("RGB", (width, height), "#1d1f21")
for number, line in enumerate(lines):
    ImageDraw.Draw(picture).text((24, 20 + 32 * number), line, font=font, fill="#e8e8e8")
picture.quantize(16).save(out, optimize=True)
