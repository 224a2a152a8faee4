"""The recipe of a run: its sections, and how they are read from YAML and written back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
