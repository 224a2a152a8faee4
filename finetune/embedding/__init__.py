"""Images to embeddings. The output of the frozen units is computed once per image and kept in the feature cache."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
