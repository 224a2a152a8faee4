"""The formats that weights are read from: one module each, which gives their variables by TF1 name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
