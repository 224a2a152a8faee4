"""TF1 checkpoints: find the files, read them, account for every variable, write new ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
