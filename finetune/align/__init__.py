"""Alignment: detection of faces in photos with MTCNN as in FaceNet, and cropping of each face."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
