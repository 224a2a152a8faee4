"""Verification on pairs of faces: pairs files, protocols, and comparisons of results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
