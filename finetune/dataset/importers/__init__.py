"""Other people's datasets, brought into one folder per person, named as LFW names its images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
