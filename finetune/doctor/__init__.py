"""Examination of a dataset before training, and a quarantine for suspect files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
