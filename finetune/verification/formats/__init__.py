"""Forms of pairs files, one module each, and the form that a file has."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
