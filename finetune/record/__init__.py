"""The folder of a run with the results of its stages. A kill at any moment leaves it whole."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
