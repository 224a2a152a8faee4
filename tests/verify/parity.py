"""Our LFW figures beside those of the published scripts, for every pairs file and setting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import SHARED, crops, write

from finetune.model import Model
from finetune.verification import read_pairs, resolve
from finetune.verification.measuring import measure

FIGURES = ("accuracy", "val", "auc", "eer")
FILES = ("pairs.txt", "pairs_novel.txt", "pairs_strangers.txt")


def main() -> None:
    """Embed each image once, measure 3 files x 8 settings, and tabulate the differences."""
    lfw = crops("lfw_160", 160, 32)
    pairs = {name: resolve(read_pairs(SHARED / "lfw" / name), lfw) for name in FILES}
    model = Model.restore(SHARED / "facenet")
    paths = sorted({path for image_pairs in pairs.values() for path in image_pairs.paths})
    both = model.embed(paths, flip=True)
    row = {path: i for i, path in enumerate(paths)}

    def embed(wanted: list[Path], flip: bool) -> np.ndarray:
        return both[[row[path] for path in wanted]][:, : None if flip else model.embedding_size]

    lines = [
        "| pairs | distance | mean subtracted | flipped | accuracy | validation rate | AUC | EER |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    figures = []
    for expected in json.loads((SHARED / "expected/lfw.json").read_text()):
        setting = {key: expected[key] for key in ("distance", "subtract_mean", "flip")}
        result = measure(embed, pairs[expected["pairs"]], **setting)
        ours = {name: getattr(result, name) for name in FIGURES}
        figures.append(
            {"pairs": expected["pairs"], **setting, "ours": ours, "published": {n: expected[n] for n in ours}}
        )
        cells = [
            f"{ours[name]:.4f} ({ours[name] - expected[name]:+.4f})"
            if ours[name] is not None and expected[name] is not None
            else f"{ours[name]}"
            for name in FIGURES
        ]
        yes = {True: "yes", False: "no"}
        words = [expected["pairs"], expected["distance"], yes[expected["subtract_mean"]], yes[expected["flip"]]]
        lines.append(f"| {' | '.join([*words, *cells])} |")
    largest = {
        file: {
            name: max(
                abs(f["ours"][name] - f["published"][name])
                for f in figures
                if f["pairs"] == file and f["published"][name] is not None
            )
            for name in FIGURES
        }
        for file in FILES
    }
    lines += ["", "Largest differences: " + "; ".join(f"{f} {_words(d)}" for f, d in largest.items())]
    write("parity", lines, {"largest": largest, "settings": figures})


def _words(differences: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in differences.items())
