"""Verification on pairs of faces: pairs files, FaceNet's protocol, and comparisons of two results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
