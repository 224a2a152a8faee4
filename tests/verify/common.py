"""The place of the real data, the faces cut from it, and the storage of tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SHARED = Path(os.environ.get("FINETUNE_SHARED", "../shared")).resolve()
OUT = Path("runs/verify").resolve()


def crops(name: str, size: int, margin: int, only: str | None = None) -> Path:
    """Cut aligned faces by the published boxes, once."""
    folder = OUT / name
    if not folder.exists():
        partial = folder.with_name(f".{folder.name}.partial")
        chosen = ["--only", SHARED / "lfw" / only] if only else []
        python = os.environ.get("FINETUNE_CROP_PYTHON", sys.executable)
        command = [python, SHARED / "lfw/crop.py", partial, "--size", size, "--margin", margin, *chosen]
        subprocess.run([str(part) for part in command], check=True)
        partial.rename(folder)
    return folder


def write(name: str, lines: list[str], figures: object) -> None:
    """Print a table, and keep it with its figures."""
    text = "\n".join(lines) + "\n"
    print(f"\n{text}", flush=True)
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    (OUT / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
