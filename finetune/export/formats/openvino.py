"""OpenVINO's intermediate representation, for Intel processors."""

from __future__ import annotations

import tempfile
from pathlib import Path

from finetune.export.formats.content import IMAGES, Content
from finetune.export.formats.format import Format


def write(content: Content, folder: Path) -> None:
    """Write the network to `NAME.xml` and its float32 weights to `NAME.bin`."""
    import openvino

    from finetune.export.formats.serving import constant_function

    function = constant_function(content)
    with tempfile.TemporaryDirectory() as place:
        # `openvino.convert_model` would take the function, but it sends usage data unless the user has opted out.
        graph = Path(place) / "graph.pb"
        graph.write_bytes(function.graph.as_graph_def().SerializeToString())
        model = openvino.Core().read_model(str(graph))
        named = [(IMAGES, model.input(function.inputs[0].name))]
        names = sorted(function.structured_outputs)
        named += [(name, model.output(tensor.name)) for name, tensor in zip(names, function.outputs, strict=True)]
        # Other names are deleted: when OpenVINO removes an operation, it merges two tensors, which keep both names.
        for node in model.get_ops():
            for output in node.outputs():
                output.get_tensor().set_names(set())
        for name, tensor in named:
            tensor.get_tensor().set_names({name})
        openvino.save_model(model, str(folder / f"{folder.name}.xml"), compress_to_fp16=False)


OPENVINO = Format(
    "openvino",
    "an OpenVINO model (extra: pip install 'facenet-finetune[openvino]')",
    write,
    suffix=".xml",
    packages=("openvino",),
)
