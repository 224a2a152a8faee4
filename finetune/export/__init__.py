"""Export of checkpoints to other formats. Each export is checked in its own runtime."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
