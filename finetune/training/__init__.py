"""Training of one stage: a compiled step over the units after the boundary, and the loop over epochs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
