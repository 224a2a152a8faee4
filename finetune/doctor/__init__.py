"""The examination of a dataset before it is trained on, and a quarantine for suspect files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
