"""The formats of weights that can be read. One module per format returns the variables by TF1 name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
