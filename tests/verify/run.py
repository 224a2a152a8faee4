"""Command that makes the long tables from real data.

Among them are alignment and parity against the published scripts, frozen against naive, the recipes, and galleries.

    python tests/verify/run.py [TABLE …]    # align, doctor, parity, frozen, recipes, overfit, gallery, identification,
                                            # thresholds, labelled, exports, weights, contest, networks,
                                            # quality, gains, clusters

It needs the folder that FINETUNE_SHARED names (default ../shared). It prints Markdown tables and writes them,
with every figure as JSON, to runs/verify/. This takes about an hour on two cores. FINETUNE_CROP_PYTHON may name
another interpreter to cut the faces with: JPEG decoders differ by a grey level between versions of Pillow.
"""

from __future__ import annotations

import sys

import align
import clusters
import contest
import doctor
import exports
import frozen
import gains
import gallery
import identification
import labelled
import networks
import overfit
import parity
import quality
import thresholds
import weights
from common import OUT, SHARED

import recipes

TABLES = {
    "align": align.main,
    "doctor": doctor.main,
    "parity": parity.main,
    "quality": quality.main,
    "frozen": frozen.main,
    "gallery": gallery.main,
    "identification": identification.main,
    "thresholds": thresholds.main,
    "labelled": labelled.main,
    "recipes": recipes.main,
    "overfit": overfit.main,
    "exports": exports.main,
    "weights": weights.main,
    "contest": contest.main,
    "networks": networks.main,
    "gains": gains.main,
    "clusters": clusters.main,
}


def main() -> None:
    """Make the tables that are asked for."""
    asked = sys.argv[1:] or list(TABLES)
    unknown = [name for name in asked if name not in TABLES]
    if unknown:
        sys.exit(f"no table {', '.join(unknown)}; choose from {', '.join(TABLES)}")
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: no such folder; set FINETUNE_SHARED to the one with facenet/, lfw/ and expected/")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in asked:
        TABLES[name]()


if __name__ == "__main__":
    main()
