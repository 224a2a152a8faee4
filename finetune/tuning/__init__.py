"""The search for better values of a recipe's keys: trials judged by validation images, and the range of the rate."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
