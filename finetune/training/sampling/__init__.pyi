from .needs import refuse_unmet as refuse_unmet
from .sampler import Epoch as Epoch, Sampler as Sampler
