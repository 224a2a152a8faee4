"""The machine: the start of TensorFlow, its devices, replicas and workers, and the compiled forward pass."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
