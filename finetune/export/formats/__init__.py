"""Export formats: one module and one record per format, and the code that several formats share."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
