"""A run: stages trained one after another, measured, accepted or rolled back, and saved."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
