"""Byte identity: the digests of every checkpoint file that two runs leave, before and after a change of the code.

    python tests/verify/identity.py OUT.json             # run, and write the digests
    python tests/verify/identity.py OUT.json BEFORE.json # run, and compare with the digests of an earlier run

It runs `finetune demo`, and three stages on 24 people of `lfw/learn.txt`: softmax, ArcFace with moving batch-norm
statistics, and triplets. One machine with the same versions and thread count gives the same bytes. Start it in the
root of the code to be measured; the package is the one that Python finds there.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHARED = Path(os.environ.get("FINETUNE_SHARED", "../shared")).resolve()
PEOPLE = 24
RECIPE = """\
seed: 7
output: {output}
checkpoint: {shared}/facenet
data: {{train: {faces}, validation_split: 0.25}}
augment: {{random_crop: true, random_flip: true}}
lfw: {{dir: {lfw}, pairs: {shared}/lfw/pairs_strangers.txt, distance: cosine, subtract_mean: true, flip: true}}
batch_size: 45
stages:
  - {{name: softmax, train_from: Logits, epochs: 2, learning_rate: 0.005}}
  - name: arcface
    train_from: Block8
    epochs: 2
    learning_rate: {{schedule: cosine, initial: 0.0005}}
    warmup_epochs: 1
    batch_norm: train
    loss: {{name: arcface, margin: 0.3, scale: 24}}
    init: prototypes
  - name: triplet
    train_from: Repeat_2
    epochs: 2
    learning_rate: 0.0001
    loss: triplet
    mining: semi_hard
    sampling: {{people: 15, images: 3}}
"""


def main() -> None:
    """Run both, write the digests, and compare them with those of an earlier run if given."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FINETUNE_CACHE"] = str(folder / "cache")
        finetune("demo", "--output", str(folder / "demo"))
        digests |= checkpoints(folder / "demo", "demo")
        if SHARED.is_dir():
            (folder / "recipe.yaml").write_text(
                RECIPE.format(output=folder / "run", shared=SHARED, faces=faces(folder), lfw=lfw(folder)),
                encoding="utf-8",
            )
            finetune("run", str(folder / "recipe.yaml"))
            digests |= checkpoints(folder / "run", "three stages")
    out.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    if len(sys.argv) == 3:
        before = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
        changed = sorted(name for name in {*before, *digests} if before.get(name) != digests.get(name))
        print(f"{len(digests) - len(changed)} of {len(digests)} checkpoint files are the same", *changed, sep="\n")
        sys.exit(bool(changed))


def finetune(*words: str) -> None:
    """Run a command of the package that lies in the current folder."""
    subprocess.run([sys.executable, "-m", "finetune", *words], check=True, stdout=subprocess.DEVNULL)


def checkpoints(root: Path, label: str) -> dict[str, str]:
    """Return the sha256 of every file of a checkpoint below a folder: values, index, graph and what lies beside."""
    found = {path.parent for path in root.rglob("*.index")}
    kinds = (".index", ".meta", "class_names.txt", "preprocessing.json")
    files = sorted(
        path
        for folder in found
        for path in folder.iterdir()
        if path.is_file() and (path.name.endswith(kinds) or ".data-" in path.name)
    )
    return {f"{label}/{path.relative_to(root)}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def faces(folder: Path) -> Path:
    """Cut the aligned faces of the first people to fine-tune on."""
    names = (SHARED / "lfw/learn.txt").read_text(encoding="utf-8").split()[:PEOPLE]
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return cut(folder / "faces", 182, 44, "--only", str(folder / "names.txt"))


def lfw(folder: Path) -> Path:
    """Cut the aligned faces of the pairs."""
    rows = [line.split() for line in (SHARED / "lfw/pairs_strangers.txt").read_text(encoding="utf-8").splitlines()[1:]]
    names = sorted({name for row in rows for name in (row[::2] if len(row) == 4 else row[:1])})
    (folder / "strangers.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return cut(folder / "lfw", 160, 32, "--only", str(folder / "strangers.txt"))


def cut(out: Path, size: int, margin: int, *chosen: str) -> Path:
    """Cut faces by the published boxes."""
    command = [sys.executable, SHARED / "lfw/crop.py", out, "--size", size, "--margin", margin, *chosen]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return out


if __name__ == "__main__":
    main()
