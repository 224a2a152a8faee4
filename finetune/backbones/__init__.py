"""The networks as data: their units, the layers of each unit, and the published checkpoints.

Only this package names layers. It needs no TensorFlow. Recipes are checked against a backbone, and `finetune.network`
builds it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
