"""The formats of exports: one module per format, each with its record, and what several of them share."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
