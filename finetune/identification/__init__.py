"""Identification among enrolled people: exact search by cosine, and rates on an open set."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
