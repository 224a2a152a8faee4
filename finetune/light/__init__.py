"""The light path: embedding by ONNX Runtime over a graph that is kept per checkpoint, without TensorFlow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
