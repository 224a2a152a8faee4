"""An OpenVINO IR has the right inputs and outputs, and computes the checkpoint's values in a fresh process."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import openvino

from finetune.agreement import agreements
from finetune.export import process, reload
from finetune.export.certificate import Certificate
from finetune.export.exporter import probes
from finetune.export.formats import Content, find
from finetune.images.preprocessing import Preprocessing
from finetune.model import Model
from tests.tiny import TINY

pytestmark = pytest.mark.tf


@pytest.fixture
def written(random_variables, tmp_path):
    """Return a function that writes a random network with a new classifier's biases, and gives it and its folder."""

    def write(*, head, standardization="fixed"):
        variables = random_variables(TINY)
        variables["Logits/biases"].assign(np.zeros(3))  # OpenVINO leaves out what adds nothing
        model = Model(TINY, variables, Preprocessing(75, standardization), ("ann", "bob", "cid"))
        folder = tmp_path / "mine"
        folder.mkdir()
        find("openvino").write(Content.of(model, head=head), folder)
        return model, folder

    return write


@pytest.mark.parametrize("head", [False, True])
def test_it_takes_images_of_any_number_and_gives_outputs_by_name_in_float32(head, written):
    _, folder = written(head=head)
    assert {path.name for path in folder.iterdir()} - {"class_names.txt"} == {
        "mine.xml",
        "mine.bin",
        "preprocessing.json",
    }
    read = openvino.Core().read_model(str(folder / "mine.xml"))
    (images,) = read.inputs
    assert (images.get_names(), str(images.partial_shape)) == ({"images"}, "[?,75,75,3]")
    assert images.element_type == openvino.Type.u8
    outputs = {name: str(output.partial_shape) for output in read.outputs for name in output.get_names()}
    classes = {"logits": "[?,3]", "probabilities": "[?,3]"}
    assert outputs == {"embeddings": "[?,8]"} | (classes if head else {})
    kinds = {node.get_type_name() for node in read.get_ops()}
    assert "Convolution" in kinds
    assert not [kind for kind in kinds if "BatchNorm" in kind]  # folded into the convolutions
    types = {output.get_element_type() for node in read.get_ops() for output in node.outputs()}
    assert types.isdisjoint({openvino.Type.f16, openvino.Type.bf16})


@pytest.mark.parametrize(("head", "standardization"), [(False, "per_image"), (True, "fixed")])
def test_a_fresh_process_computes_what_the_network_does_within_the_certificate(head, standardization, written):
    model, folder = written(head=head, standardization=standardization)
    pixels = probes(Preprocessing(75))
    expected = {"embeddings": model.embed(pixels)}
    if head:
        expected["logits"] = model.logits(pixels)
        powers = np.exp(expected["logits"].astype(np.float64))
        expected["probabilities"] = powers / powers.sum(1, keepdims=True)
    found = process.answer(find("openvino"), folder, pixels, folder.parent, "probing")
    assert found.runtime.startswith("OpenVINO 20")
    agreed = agreements(expected, found.outputs)
    assert max(agreement.largest_difference for agreement in agreed.values()) <= 1e-5
    assert agreed["embeddings"].smallest_cosine >= 0.99999
    certificate = Certificate(find("openvino"), found.runtime, len(pixels), agreed, 1.0, None, None, {}, {})
    assert certificate.problems() == []


def test_its_reader_asks_for_float32_where_the_processor_would_take_bfloat16(written, monkeypatch):
    _, folder = written(head=False)
    compile_model, asked = openvino.Core.compile_model, []

    def noting(core, model, device, settings):
        asked.append((device, settings))
        return compile_model(core, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", noting)
    reload.RUNTIMES["openvino"](str(folder))
    assert asked == [("CPU", {"INFERENCE_PRECISION_HINT": "f32"})]
