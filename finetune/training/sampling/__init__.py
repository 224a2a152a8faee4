"""The images that an epoch draws, and the triplets that are mined from them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
