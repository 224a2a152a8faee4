"""Folders of aligned faces: read, checked, split, and fed to training in batches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
