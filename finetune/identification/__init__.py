"""Identification among enrolled people: exact search, CMC, open-set rates, and error rates at all thresholds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
