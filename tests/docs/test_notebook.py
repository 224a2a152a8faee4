"""The notebook runs from its first cell to its last, on drawn faces laid out as the demo's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

pytestmark = [pytest.mark.tf, pytest.mark.slow]
NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/tutorial.ipynb"


def test_every_cell_runs_and_results_show_themselves(faces: Path, drawn_checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "runs/demo/data"
    data.mkdir(parents=True)
    for name, target in {"faces": "learn", "strangers": "strangers", "pairs.txt": "pairs.txt"}.items():
        (data / name).symlink_to(faces / target)
    shutil.copytree(drawn_checkpoint, tmp_path / "runs/demo/checkpoint")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before committing"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    tables = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert sum("<caption>" in table for table in tables) == 4  # the baseline, two stages and the run
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert (tmp_path / "exports/notebook/notebook.pb").exists()
    streams = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "of the held-back images are named correctly" in streams
