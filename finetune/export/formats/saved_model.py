"""SavedModel, for TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finetune.export.formats.content import CLASS_LOGITS, EMBEDDINGS, PROBABILITIES, Content
from finetune.export.formats.format import Format

if TYPE_CHECKING:
    import tensorflow as tf


def write(content: Content, folder: Path) -> None:
    """Write a SavedModel with the signature `embed`, which is also the default; with a head, also `classify`."""
    import tensorflow as tf

    from finetune.export.formats.serving import folded, outputs, signature

    weights = {name: tf.Variable(value, name=name) for name, value in folded(content).items()}
    module = tf.Module()
    module.weights = list(weights.values())  # a module is saved with its attributes

    def function(names: tuple[str, ...]) -> tf.types.experimental.ConcreteFunction:
        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            found = outputs(content, weights, images)
            return {name: tf.identity(found[name], name) for name in names}

        return tf.function(serve, input_signature=[signature(content)], autograph=False).get_concrete_function()

    embed = function((EMBEDDINGS,))
    signatures = {"serving_default": embed, "embed": embed}
    if content.head:
        signatures["classify"] = function((CLASS_LOGITS, PROBABILITIES))
    tf.saved_model.save(module, str(folder), signatures)


SAVED_MODEL = Format("saved_model", "a SavedModel with the signatures embed and classify", write)
