from .needs import refuse_unmet as refuse_unmet
from .sampler import RANDOM as RANDOM
from .sampler import Epoch as Epoch
from .sampler import Sampler as Sampler
