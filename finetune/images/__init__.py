"""Images: reading, cropping and standardization as a checkpoint expects, and drawing of faces."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
