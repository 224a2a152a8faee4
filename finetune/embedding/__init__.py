"""Images to vectors: what the frozen units give for an image is computed once and kept."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
