"""The long tables, from real data: parity with the published scripts, frozen against naive, the full recipe.

    python tests/verify/run.py [parity] [frozen] [stages]        # all of them without a word

Needs the folder that FINETUNE_SHARED names (default ../shared). Prints Markdown tables and writes them,
with every figure as JSON, to runs/verify/. About an hour on two cores. FINETUNE_CROP_PYTHON may name another
interpreter to cut the faces with: JPEG decoders differ by a grey level between versions of Pillow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SHARED = Path(os.environ.get("FINETUNE_SHARED", "../shared")).resolve()
OUT = Path("runs/verify").resolve()
TABLES = ("parity", "frozen", "stages")


def crops(name: str, size: int, margin: int, only: str | None = None) -> Path:
    """Aligned faces cut by the published boxes; made once."""
    folder = OUT / name
    if not folder.exists():
        partial = folder.with_name(f".{name}.partial")
        chosen = ["--only", SHARED / "lfw" / only] if only else []
        python = os.environ.get("FINETUNE_CROP_PYTHON", sys.executable)
        command = [python, SHARED / "lfw/crop.py", partial, "--size", size, "--margin", margin, *chosen]
        subprocess.run([str(part) for part in command], check=True)
        partial.rename(folder)
    return folder


def write(name: str, lines: list[str], figures: object) -> None:
    """Prints a table, and keeps it with its figures."""
    text = "\n".join(lines) + "\n"
    print(f"\n{text}", flush=True)
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    (OUT / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Makes the tables that are asked for."""
    asked = sys.argv[1:] or list(TABLES)
    unknown = set(asked) - set(TABLES)
    if unknown or not SHARED.is_dir():
        sys.exit(f"unknown table {unknown}; choose from {TABLES}" if unknown else f"{SHARED}: no such folder")
    OUT.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(Path(__file__).parent))
    for table in asked:
        __import__(table).main()


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    main()
