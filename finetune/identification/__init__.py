"""Identification among enrolled people: exact cosine search, CMC, open-set rates, and error rates at every threshold."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
