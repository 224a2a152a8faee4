"""Names of layers stand in `finetune/backbones/`, and nowhere else in the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "finetune"
SOURCES = sorted(
    path
    for suffix in ("*.py", "*.pyi", "*.jinja")
    for path in PACKAGE.rglob(suffix)
    if "backbones" not in path.relative_to(PACKAGE).parts
)
LAYER = re.compile(
    r"Inception-?[Rr]es[Nn]et|Bottleneck|\bLogits\b|Conv2d_\d|Block8|Repeat(_\d|/)|Mixed_\d|(Max|Avg)Pool_\d|block(35|17|8)\b"
)
EXAMPLES = {
    "recipe/stage.py": (
        '"""Boundary: the first block that trains, or the first unit of one, such as `Logits` or '
        '`Repeat_2/block8_4`."""',
    ),
    "export/reload.py": (
        "network = facenet_pytorch.InceptionResnetV1(classify=classes is not None, num_classes=classes)",
        'build = importlib.import_module("deepface." + path).InceptionResNetV1',
        "from keras_facenet.inception_resnet_v1 import InceptionResNetV1",
        "return keras_port(folder, lambda size: InceptionResNetV1(classes=size), title)",
    ),
}
"""Lines that show a user what a boundary is, and lines that load other programs' networks.

Examples, after `>>>`, may name a layer too.
"""


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_source_names_no_layer(source: Path) -> None:
    shown = EXAMPLES.get(source.relative_to(PACKAGE).as_posix(), ())
    lines = source.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if not line.strip().startswith(">>> ")]
    assert [line for line in code if LAYER.search(line) and line.strip() not in shown] == []


@pytest.mark.parametrize(
    "line",
    ['scope = "InceptionResnetV1"', "f'{SCOPE}/Bottleneck'", "An Inception-ResNet-v1", "Repeat_2/block8_4", "`Logits`"],
)
def test_a_name_of_a_layer_is_seen(line: str) -> None:
    assert LAYER.search(line)


def test_every_example_is_there() -> None:
    for name, lines in EXAMPLES.items():
        told = [line.strip() for line in (PACKAGE / name).read_text(encoding="utf-8").splitlines()]
        assert set(lines) <= set(told)
