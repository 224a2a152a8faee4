"""Quality of aligned faces: sharpness, resolution, exposure, pose, and what the alignment knows of each face."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
