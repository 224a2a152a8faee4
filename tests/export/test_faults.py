"""An export that differs from its checkpoint fails its certificate, and nothing of it is left."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.errors import ExportFailed, RunError
from finetune.export import exporter, process, reload
from finetune.export.formats import FORMATS, Format
from finetune.model import Model
from tests.cli.test_faults import full_disk

pytestmark = [pytest.mark.tf, pytest.mark.slow]

STATISTIC = "InceptionResnetV1/Repeat_1/block17_5/Branch_1/Conv2d_0b_1x7/BatchNorm/moving_variance"
SQUARE = "InceptionResnetV1/Repeat/block35_2/Branch_1/Conv2d_0b_3x3/weights"


def one_batch_norm_value(content):
    """Change one of 128 values of one of 132 layers' statistics by a half."""
    value = content.tensors[STATISTIC].copy()
    value[7] *= 1.5
    return dataclasses.replace(content, tensors={**content.tensors, STATISTIC: value})


def a_swapped_axis(content):
    """Swap height and width of one kernel, whose shape does not show it."""
    swapped = np.swapaxes(content.tensors[SQUARE], 0, 1)
    return dataclasses.replace(content, tensors={**content.tensors, SQUARE: np.ascontiguousarray(swapped)})


def the_other_standardization(content):
    """Change the standardization: within the graph, or in the file beside formats fed with standardized images."""
    other = dataclasses.replace(content.preprocessing, standardization="per_image")
    return dataclasses.replace(content, preprocessing=other)


def faulty(monkeypatch: pytest.MonkeyPatch, fault) -> None:
    """Make every writer write faulty content from now on, while the certificate is about the sound content."""
    write = Format.write
    monkeypatch.setattr(Format, "write", lambda self, content, folder: write(self, fault(content), folder))
    answer = process.answer

    def here(format, folder, pixels, *arguments, **options):
        """Answer by the same program in this process, which has TensorFlow already. TensorFlow 1's part can't be."""
        if format.name in ("tf1", "pb"):
            return answer(format, folder, pixels, *arguments, **options)
        runtime, run = reload.RUNTIMES[format.name](str(folder))
        return process.Answer(run(pixels), runtime, 1.0)

    monkeypatch.setattr(process, "answer", here)


EACH = [(to, one_batch_norm_value) for to in FORMATS]
EACH += [(to, a_swapped_axis) for to in ("pb", "saved_model", "keras")]  # each way that weights go
EACH += [(to, the_other_standardization) for to in ("tf1", "saved_model", "h5", "onnx")]  # and each that pixels go
FIRST = [("tflite", one_batch_norm_value), ("keras", a_swapped_axis), ("onnx", the_other_standardization)]
EACH = [pytest.param(*case, marks=[] if case in FIRST else pytest.mark.thorough) for case in EACH]


@pytest.mark.parametrize(("to", "fault"), EACH, ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_fails_the_certificate(to, fault, drawn_checkpoint, tmp_path, monkeypatch):
    faulty(monkeypatch, fault)
    with pytest.raises(ExportFailed, match=rf"/mine: {to} is not what .+: embeddings differ by .+; nothing was left"):
        exporter.export(drawn_checkpoint, to, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quantize", [pytest.param("float16", marks=pytest.mark.thorough), "int8"])
def test_quantized_exports_have_wider_tolerances_and_still_fail(quantize, drawn_checkpoint, tmp_path, monkeypatch):
    faulty(monkeypatch, the_other_standardization)
    with pytest.raises(ExportFailed, match=r"embeddings differ by .+; a cosine of .+ is the least allowed"):
        exporter.export(drawn_checkpoint, "tflite", tmp_path / "mine", quantize=quantize)
    assert list(tmp_path.iterdir()) == []


def test_classes_in_another_order_fail_the_certificate(drawn_checkpoint, tmp_path, monkeypatch):
    def reversed_classes(content):
        tensors = {**content.tensors, "Logits/weights": content.tensors["Logits/weights"][:, ::-1].copy()}
        return dataclasses.replace(content, tensors=tensors)

    faulty(monkeypatch, reversed_classes)
    with pytest.raises(ExportFailed, match=r"logits differ by .+; probabilities differ by"):
        exporter.export(drawn_checkpoint, "pb", tmp_path / "mine", head=True)


def test_a_missing_output_is_told(drawn_checkpoint, tmp_path, monkeypatch):
    def without_head(content):
        return dataclasses.replace(
            content, tensors={n: v for n, v in content.tensors.items() if not n.startswith("Logits")}
        )

    faulty(monkeypatch, without_head)
    with pytest.raises(ExportFailed, match=r"it gives \{'embeddings': \[39, 512\]\} where \{.*'logits': \[39, 120\]"):
        exporter.export(drawn_checkpoint, "pb", tmp_path / "mine", head=True)


def test_a_runtime_that_can_not_load_it_is_told(drawn_checkpoint, tmp_path, monkeypatch):
    def damaged(self, content, folder):
        (folder / "mine.onnx").write_bytes(b"no model")

    monkeypatch.setattr(Format, "write", damaged)
    with pytest.raises(ExportFailed, match=r"/mine: onnx is not what .+: it can't be run by .+ \(.*[Pp]rotobuf"):
        exporter.export(drawn_checkpoint, "onnx", tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_lfw_outside_the_tolerance_fails_the_certificate(drawn_checkpoint, faces, tmp_path, monkeypatch):
    """Embed the images of the pairs wrongly, which the probes do not show."""
    from finetune.recipe.sections import LFW

    answer = process.answer

    def other_for_many(format, folder, pixels, scratch, what, *, flip=False):
        found = answer(format, folder, pixels, scratch, what, flip=flip)
        if what != "probing":
            found.outputs["embeddings"][:] = found.outputs["embeddings"][::-1].copy()
        return found

    monkeypatch.setattr(process, "answer", other_for_many)
    lfw = LFW(faces / "strangers", faces / "pairs.txt")
    before = exporter.measure_lfw(Model.restore(drawn_checkpoint).embed, exporter.open_pairs(lfw), lfw)
    assert before.accuracy > 0.5
    with pytest.raises(ExportFailed, match=r"LFW accuracy differs by -0\.\d+, 0.0005 allowed; nothing was left"):
        exporter.export(drawn_checkpoint, "pb", tmp_path / "mine", lfw=lfw)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "to",
    [
        "tf1",
        "keras",
        *(pytest.param(to, marks=pytest.mark.thorough) for to in ("pb", "saved_model", "h5", "tflite", "openvino")),
    ],
)
def test_a_full_disk_leaves_nothing_and_is_said_in_a_line(to, drawn_checkpoint, tmp_path):
    said = pytest.raises(RunError, match=r"^\S+/mine\S*: can't be written \(.*File too large.*\)")
    with full_disk(40 << 20), said as raised:
        exporter.export(drawn_checkpoint, to, tmp_path / "mine")
    assert len(str(raised.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
