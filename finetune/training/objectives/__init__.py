"""Losses of a stage and the terms beside them: one class each, with its algebra, its metrics and its requirements."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
