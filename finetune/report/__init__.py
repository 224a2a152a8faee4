"""Report of a run: one HTML file, a model card, and tables on the terminal."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
