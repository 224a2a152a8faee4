"""Loads an export by its own runtime and runs it on pixels; a program by itself, started in a fresh process.

    python reload.py FORMAT FOLDER PIXELS.npy OUT.npz [flip]

It imports nothing of finetune, is read by Python 3.6 too (for TensorFlow 1), and follows what users of each runtime
do. The pixels are uint8 [n, s, s, 3]; what the export gives is written by name, float32 [n, ...], with `flip` that of
the mirror images beside it. Prints a line a batch, and last the runtime and the seconds that all took as JSON.
"""

import glob
import json
import os
import sys
import time

import numpy as np

OUTPUTS = ("embeddings", "logits", "probabilities")
BATCH_SIZE = 32


def standardized(pixels, folder):
    """What the graphs of TensorFlow 1 take: float32, standardized as `preprocessing.json` says."""
    with open(os.path.join(folder, "preprocessing.json")) as file:
        standardization = json.load(file)["standardization"]
    images = pixels.astype(np.float32)
    if standardization == "fixed":
        return (images - 127.5) / 128.0
    mean = images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    std = images.std(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    return ((images - mean) / np.maximum(std, 1 / np.sqrt(images[0].size))).astype(np.float32)


def only(folder, pattern):
    """The one file that matches."""
    (path,) = glob.glob(os.path.join(glob.escape(folder), pattern))
    return path


def tensorflow1(folder, load):
    """A session over the graph that `load` brings into the default one; also by TensorFlow 2."""
    import tensorflow as tf

    tf1 = tf.compat.v1 if hasattr(tf, "compat") and hasattr(tf.compat, "v1") else tf
    if hasattr(tf1, "disable_eager_execution"):
        tf1.disable_eager_execution()
    session = tf1.Session()
    load(tf1, session)
    graph = tf1.get_default_graph()
    have = [name for name in OUTPUTS if name in {operation.name for operation in graph.get_operations()}]
    fetches = [graph.get_tensor_by_name(name + ":0") for name in have]

    def run(pixels):
        feed = {"input:0": standardized(pixels, folder), "phase_train:0": False}
        return dict(zip(have, session.run(fetches, feed)))

    return "TensorFlow " + tf.__version__, run


def tf1(folder):
    """As the published scripts do: the graph of the `.meta`, and what `checkpoint` names."""

    def load(tf1, session):
        saver = tf1.train.import_meta_graph(only(folder, "*.meta"), clear_devices=True)
        saver.restore(session, tf1.train.latest_checkpoint(folder))

    return tensorflow1(folder, load)


def pb(folder):
    """The frozen graph, imported under its own names."""

    def load(tf1, _):
        graph = tf1.GraphDef()
        with open(only(folder, "*.pb"), "rb") as file:
            graph.ParseFromString(file.read())
        tf1.import_graph_def(graph, name="")

    return tensorflow1(folder, load)


def saved_model(folder):
    """By its signatures."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = [loaded.signatures[name] for name in ("embed", "classify") if name in loaded.signatures]

    def run(pixels):
        images = tf.constant(pixels)
        return {name: value.numpy() for serve in signatures for name, value in serve(images=images).items()}

    return "TensorFlow " + tf.__version__, run


def keras(folder):
    """By Keras alone, whichever of its two file formats."""
    import keras

    (path,) = glob.glob(os.path.join(glob.escape(folder), "*.keras")) or [only(folder, "*.h5")]
    model = keras.models.load_model(path)

    def run(pixels):
        found = model.predict_on_batch(pixels)
        return found if isinstance(found, dict) else {"embeddings": found}

    return "Keras " + keras.__version__ + " (" + keras.backend.backend() + ")", run


def onnx(folder):
    """By ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(only(folder, "*.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pixels):
        return dict(zip(names, session.run(names, {"images": pixels})))

    return "ONNX Runtime " + onnxruntime.__version__, run


def tflite(folder):
    """By the TFLite interpreter: that of ai-edge-litert."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(only(folder, "*.tflite"), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    return "LiteRT " + version("ai-edge-litert"), lambda pixels: runner(images=pixels)


def openvino(folder):
    """By OpenVINO, on the CPU; in float32, where by itself it takes bfloat16 on processors that have it."""
    from importlib.metadata import version

    from openvino import Core

    compiled = Core().compile_model(only(folder, "*.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.get_any_name() for output in compiled.outputs]

    def run(pixels):
        found = compiled({"images": pixels})
        return {name: found[name] for name in names}

    return "OpenVINO " + version("openvino"), run


RUNTIMES = {
    "tf1": tf1,
    "pb": pb,
    "saved_model": saved_model,
    "keras": keras,
    "h5": keras,
    "onnx": onnx,
    "tflite": tflite,
    "openvino": openvino,
}


def main():
    """Runs what the command line names; a batch of one goes first, so that other sizes are seen to work."""
    name, folder, source, target = sys.argv[1:5]
    flip = "flip" in sys.argv[5:]
    runtime, run = RUNTIMES[name](folder)
    pixels = np.load(source, mmap_mode="r")
    starts = [0] + list(range(1, len(pixels), BATCH_SIZE))
    run(np.array(pixels[:BATCH_SIZE]))  # not timed: runtimes prepare themselves for a shape
    batches = []
    start = time.time()
    for first, end in zip(starts, starts[1:] + [len(pixels)]):
        batch = np.array(pixels[first:end])
        sides = [run(batch), run(np.ascontiguousarray(batch[:, :, ::-1]))] if flip else [run(batch)]
        batches.append({key: np.concatenate([side[key] for side in sides], axis=1) for key in sides[0]})
        print(end, flush=True)
    seconds = time.time() - start
    outputs = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    np.savez(target, **outputs)  # type: ignore[arg-type]
    print(json.dumps({"runtime": runtime, "seconds": seconds}))


if __name__ == "__main__":
    main()
