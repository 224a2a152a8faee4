"""Images: read, cropped and standardized as a checkpoint expects, or drawn."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
