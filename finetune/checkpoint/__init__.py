"""TF1 checkpoints: finding the files, reading them, accounting for every variable, and writing new ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
