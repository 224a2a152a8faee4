"""The networks as data: their units, what these are made of, and the checkpoints that were published.

This is the only package with names of layers. It needs no TensorFlow: recipes are checked against a backbone, and
`finetune.network` builds it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
