"""Learning rate of each epoch of a stage, and its optimizer with the constants."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
