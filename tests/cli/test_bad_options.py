"""Unusable outputs and options give the lines that say why, exit status 2, and no written file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpoint.location import EXPECTED

pytestmark = pytest.mark.tf

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
LFW = "--lfw faces/strangers --pairs faces/pairs.txt"
NO_OUTPUT = "the output folder is not empty; choose another output, or continue it with --resume"
NO_PATTERN = "TensorFlow opens no path with '[' or '\\' in it; rename it"
FACENET = "give a checkpoint of FaceNet's Inception-ResNet-v1, Inception-ResNet-v2 or SqueezeNet"


def bad(about: str, command: str, *lines: str) -> Any:
    """Return a test case: a command and the lines that answer it."""
    return pytest.param(command, lines, id=about)


OUTPUTS = [
    bad("an output folder in use", "run recipe.yaml output=bad/used", f"bad/used: {NO_OUTPUT}"),
    bad("an output folder in use, planned", "plan recipe.yaml output=bad/used", f"bad/used: {NO_OUTPUT}"),
    bad(
        "an output that is a file",
        "plan recipe.yaml output=recipe.yaml",
        "recipe.yaml: the output is a file; choose a folder",
    ),
    bad(
        "an output within a file",
        "run recipe.yaml output=recipe.yaml/out",
        "recipe.yaml/out: recipe.yaml is a file, and no folder can be made in it; choose another output",
    ),
    bad(
        "an output that TensorFlow can't open",
        "run recipe.yaml 'output=runs/[1]'",
        f"runs/[1]: {NO_PATTERN}",
    ),
    bad(
        "another recipe's run to resume",
        "run recipe.yaml --resume output=bad/begun",
        *(
            f"bad/begun/recipe.yaml {key}: the run began with {old}, where the recipe now says {new}; "
            "resume it with finetune run bad/begun/recipe.yaml --resume"
            for key, old, new in (("output", "'out'", "'bad/begun'"), ("seed", "3", "666"))
        ),
    ),
    bad("embeddings not in .npz", "embed model faces/learn out.csv", "out.csv: give a file name that ends in .npz"),
    bad(
        "embeddings in a missing folder",
        "embed model faces/learn results/out.npz",
        "results: no such folder; make it first",
    ),
    bad(
        "embeddings in place of a folder",
        "embed model faces/learn faces",
        "faces: a folder; give the name of a file to write",
    ),
    bad(
        "JSON in a missing folder",
        f"validate model {LFW} --json results/lfw.json",
        "results: no such folder; make it first",
    ),
    bad("JSON in place of a folder", "inspect model --json faces", "faces: a folder; give the name of a file to write"),
    bad(
        "a demo in a folder in use",
        "demo --output bad/used",
        "bad/used: already there and not an empty folder; give another, or remove it",
    ),
    bad(
        "a demo in place of a file",
        "demo --output recipe.yaml",
        "recipe.yaml: already there and not an empty folder; give another, or remove it",
    ),
    bad("a demo that TensorFlow can't open", "demo --output 'runs/[1]'", f"runs/[1]: {NO_PATTERN}"),
]

OPTIONS = [
    bad(
        "an unknown command",
        "vaildate",
        "'vaildate' is not a command; did you mean 'validate'?",
    ),
    bad(
        "an unknown option",
        f"validate model --mirror {LFW}",
        "unrecognized arguments: --mirror; see finetune validate --help",
    ),
    bad(
        "half an option",
        "run recipe.yaml --resum seed=1",
        "unrecognized arguments: --resum seed=1 (did you mean '--resume'?); see finetune run --help",
    ),
    bad(
        "an argument that is missing",
        "embed model faces/learn",
        "the following arguments are required: OUT.npz; see finetune embed --help",
    ),
    bad(
        "an option that is missing",
        "validate model --lfw faces/strangers",
        "--pairs: not given; give --lfw and --pairs, or --measure",
    ),
    bad("an argument too many", "inspect model faces", "unrecognized arguments: faces; see finetune inspect --help"),
    bad(
        "an unknown distance",
        f"validate model {LFW} --distance l2",
        "argument --distance: invalid choice: 'l2' (choose from ...); see finetune validate --help",
    ),
    bad(
        "an unknown precision",
        "embed model faces/learn out.npz --precision half",
        "argument --precision: invalid choice: 'half' (choose from ...); see finetune embed --help",
    ),
    bad(
        "an unknown standardization",
        "embed model faces/learn out.npz --standardization per-image",
        "argument --standardization: invalid choice: 'per-image' (did you mean 'per_image'?); see ...",
    ),
    bad(
        "a setting of a recipe with dashes",
        "run recipe.yaml --output=mine",
        "unrecognized arguments: --output=mine; settings of a recipe have no dashes: output=mine; see ...",
    ),
    bad(
        "a key of a recipe as an option",
        "plan recipe.yaml --checkpoint model",
        "unrecognized arguments: --checkpoint model; settings of a recipe have no dashes: checkpoint=…; see ...",
    ),
    bad(
        "an option by FaceNet's name",
        "align faces/learn out --image_size 182",
        "unrecognized arguments: --image_size 182 (did you mean '--size'?); see finetune align --help",
    ),
    bad("a command by another tool's name", "train recipe.yaml", "'train' is not a command; did you mean 'run'?"),
    bad(
        "a recipe that is not given",
        "plan",
        "the following arguments are required: RECIPE; see finetune plan --help",
    ),
    bad(
        "an image size of 0",
        "embed model faces/learn out.npz --image-size 0",
        "argument --image-size: found '0'; give a whole number of pixels from 22; see finetune embed --help",
    ),
    bad(
        "an image size that is no number",
        f"validate model {LFW} --image-size abc",
        "argument --image-size: found 'abc'; give a whole number of pixels from 22; see finetune validate --help",
    ),
    bad(
        "an image size that the network can't take",
        "embed model faces/learn out.npz --image-size 20",
        "argument --image-size: found '20'; give a whole number of pixels from 22; see finetune embed --help",
    ),
]

SEVERAL = [
    bad(
        "every input of a recipe at once",
        "plan recipe.yaml checkpoint=bad/mtcnn data.train=bad/empty lfw.pairs=bad/empty.txt 'output=runs[1]'",
        f"runs[1]: {NO_PATTERN}",
        f"bad/mtcnn/model-s.ckpt-1: holds MTCNN; {FACENET}",
        "bad/empty: no folders in it; put each person's images into a folder of their own",
        "bad/empty.txt: found no pairs; give a pairs file in LFW's form",
    ),
]


@pytest.mark.parametrize(("command", "lines"), [*OUTPUTS, *OPTIONS, *SEVERAL])
def test_a_bad_option_is_answered_by_its_lines(command: str, lines: tuple[str, ...], refused):
    refused(command, *lines)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("check recipe.yaml seed=x", "command line seed: found the text 'x'; give a whole number from 0 to 2147483647"),
        ("embed model faces/lern out.npz", "faces/lern: no such file or folder; give an image or a folder of images"),
        ("inspect models", f"models: no such file or folder; {EXPECTED}"),
        (
            "validate --flop",
            "the following arguments are required: CHECKPOINT; see finetune validate --help",
        ),
    ],
)
def test_a_shell_sees_the_same(command: str, line: str, work: Path, tree):
    before = tree(work)
    arguments = command.split()
    ended = subprocess.run(
        [sys.executable, "-m", "finetune", *arguments], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"finetune {arguments[0]}: {line}\n")
    assert tree(work) == before
