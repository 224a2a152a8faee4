"""Models: networks that embed faces, in TensorFlow with their variables or as a fixed graph of another runtime."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
