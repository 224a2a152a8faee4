"""Enrolled people: who they are, who a face is of, and when it is nobody's."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
