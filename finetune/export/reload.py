"""Program that loads an export with its own runtime and runs it on pixels, in a fresh process.

    python reload.py FORMAT FOLDER PIXELS.npy OUT.npz [flip]

It imports nothing from finetune and runs in Python 3.6 too, for TensorFlow 1. It loads each format as users of the
runtime do. The pixels are uint8 [n, s, s, c]. The outputs are written by name, float32 [n, ...]. With `flip`, the
outputs for the mirror images are appended along axis 1. The program prints one line per batch. Its last line is JSON:
the runtime, and the seconds that all batches took.
"""

import glob
import json
import os
import sys
import time

import numpy as np

OUTPUTS = ("embeddings", "logits", "probabilities")
BATCH_SIZE = 32
AFFINE = {
    "fixed": (127.5, 128.0),
    "unit": (0.0, 255.0),
    "symmetric": (127.5, 127.5),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "none": (0.0, 1.0),
}
"""Subtrahend and divisor of pixels for each standardization but `per_image`."""


def standardized(pixels, folder):
    """Return the input of TensorFlow 1 graphs: float32, standardized as `preprocessing.json` says."""
    with open(os.path.join(folder, "preprocessing.json")) as file:
        standardization = json.load(file)["standardization"]
    images = pixels.astype(np.float32)
    if standardization in AFFINE:
        minus, by = (np.array(values, np.float32) for values in AFFINE[standardization])
        return (images - minus) / by
    mean = images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    std = images.std(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    return ((images - mean) / np.maximum(std, 1 / np.sqrt(images[0].size))).astype(np.float32)


def only(folder, pattern):
    """Return the only file that matches a pattern."""
    (path,) = glob.glob(os.path.join(glob.escape(folder), pattern))
    return path


def tensorflow1(folder, load):
    """Load a graph with `load`, in TensorFlow 1 or 2, and return the runtime and a function that runs the graph."""
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
    """Load a model directory as the published scripts do: graph from the `.meta`, weights as `checkpoint` says."""

    def load(tf1, session):
        saver = tf1.train.import_meta_graph(only(folder, "*.meta"), clear_devices=True)
        saver.restore(session, tf1.train.latest_checkpoint(folder))

    return tensorflow1(folder, load)


def pb(folder):
    """Load a frozen graph, with its names unchanged."""

    def load(tf1, _):
        graph = tf1.GraphDef()
        with open(only(folder, "*.pb"), "rb") as file:
            graph.ParseFromString(file.read())
        tf1.import_graph_def(graph, name="")

    return tensorflow1(folder, load)


def saved_model(folder):
    """Load a SavedModel, and run its signatures."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = [loaded.signatures[name] for name in ("embed", "classify") if name in loaded.signatures]

    def run(pixels):
        images = tf.constant(pixels)
        return {name: value.numpy() for serve in signatures for name, value in serve(images=images).items()}

    return "TensorFlow " + tf.__version__, run


def keras(folder):
    """Load a model with Keras alone, from either of its file formats."""
    import keras

    (path,) = glob.glob(os.path.join(glob.escape(folder), "*.keras")) or [only(folder, "*.h5")]
    model = keras.models.load_model(path)

    def run(pixels):
        found = model.predict_on_batch(pixels)
        return found if isinstance(found, dict) else {"embeddings": found}

    return "Keras " + keras.__version__ + " (" + keras.backend.backend() + ")", run


def onnx(folder):
    """Load a model with ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(only(folder, "*.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pixels):
        return dict(zip(names, session.run(names, {"images": pixels})))

    return "ONNX Runtime " + onnxruntime.__version__, run


def tflite(folder):
    """Load a model with the TFLite interpreter of ai-edge-litert."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(only(folder, "*.tflite"), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    return "LiteRT " + version("ai-edge-litert"), lambda pixels: runner(images=pixels)


def openvino(folder):
    """Load a model with OpenVINO, on the CPU and in float32; its default is bfloat16 on CPUs that support it."""
    from importlib.metadata import version

    from openvino import Core

    compiled = Core().compile_model(only(folder, "*.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.get_any_name() for output in compiled.outputs]

    def run(pixels):
        found = compiled({"images": pixels})
        return {name: found[name] for name in names}

    return "OpenVINO " + version("openvino"), run


def pytorch(folder):
    """Load a state dict into facenet-pytorch's network, which must have exactly its tensors."""
    from importlib.metadata import version

    import facenet_pytorch
    import torch

    state = torch.load(only(folder, "*.pt"), map_location="cpu", weights_only=True)
    classes = len(state["logits.bias"]) if "logits.bias" in state else None
    network = facenet_pytorch.InceptionResnetV1(classify=classes is not None, num_classes=classes)
    network.load_state_dict(state, strict=True)
    network.eval()

    def run(pixels):
        with torch.no_grad():
            images = torch.from_numpy(standardized(pixels, folder).transpose(0, 3, 1, 2).copy())
            found = network(images)
            if classes is None:
                return {"embeddings": found.numpy()}
            network.classify = False
            embeddings = network(images)
            network.classify = True
            probabilities = torch.softmax(found.double(), 1)
            return {"embeddings": embeddings.numpy(), "logits": found.numpy(), "probabilities": probabilities.numpy()}

    return "facenet-pytorch " + version("facenet-pytorch") + ", PyTorch " + torch.__version__, run


def keras_port(folder, build, title):
    """Load weights into a Keras network that another program builds; `build` takes the size of the embedding."""
    import h5py

    path = only(folder, "*.h5")
    with h5py.File(path) as file:
        last = file[file.attrs["layer_names"][-1]]
        size = len(last[last.attrs["weight_names"][0]])
    model = build(size)
    model.load_weights(path)

    def run(pixels):
        found = model.predict_on_batch(standardized(pixels, folder))
        return {"embeddings": found / np.linalg.norm(found, axis=1, keepdims=True)}

    return title, run


def deepface(folder):
    """Load weights into DeepFace's network, which has moved between its versions."""
    import importlib
    from importlib.metadata import version

    for path in ("models.facial_recognition.tf.Facenet", "models.facial_recognition.Facenet", "basemodels.Facenet"):
        try:
            build = importlib.import_module("deepface." + path).InceptionResNetV1
        except (ImportError, AttributeError):
            continue
        return keras_port(folder, build, "DeepFace " + version("deepface"))
    raise ImportError("DeepFace " + version("deepface") + " has no Keras model of FaceNet")


def keras_facenet(folder):
    """Load weights into keras-facenet's network."""
    from importlib.metadata import version

    from keras_facenet.inception_resnet_v1 import InceptionResNetV1

    title = "keras-facenet " + version("keras-facenet")
    return keras_port(folder, lambda size: InceptionResNetV1(classes=size), title)


RUNTIMES = {
    "tf1": tf1,
    "pb": pb,
    "saved_model": saved_model,
    "keras": keras,
    "h5": keras,
    "onnx": onnx,
    "tflite": tflite,
    "openvino": openvino,
    "pytorch": pytorch,
    "deepface": deepface,
    "keras-facenet": keras_facenet,
}


def main():
    """Run the export that the command line names. The first batch is one image, to test more than one batch size."""
    name, folder, source, target = sys.argv[1:5]
    flip = "flip" in sys.argv[5:]
    runtime, run = RUNTIMES[name](folder)
    pixels = np.load(source, mmap_mode="r")
    starts = [0] + list(range(1, len(pixels), BATCH_SIZE))
    run(np.array(pixels[:BATCH_SIZE]))  # not timed: runtimes compile or allocate for a new shape
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
