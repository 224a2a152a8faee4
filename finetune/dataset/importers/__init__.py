"""The import of other datasets into one folder per person, with image names as in LFW."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
