from .batches import Mining as Mining
from .batches import Negatives as Negatives
from .batches import PeopleTimesImages as PeopleTimesImages
from .checks import did_you_mean as did_you_mean
from .checks import listed as listed
from .history import History as History
from .learning_rate import LearningRate as LearningRate
from .loss import (
    ArcFace as ArcFace,
)
from .loss import (
    CosFace as CosFace,
)
from .loss import (
    Loss as Loss,
)
from .loss import (
    Softmax as Softmax,
)
from .loss import (
    Triplet as Triplet,
)
from .optimizer import Optimizer as Optimizer
from .recipe import Cache as Cache
from .recipe import Recipe as Recipe
from .section import dotted as dotted
from .sections import (
    LFW as LFW,
)
from .sections import (
    Accept as Accept,
)
from .sections import (
    Augment as Augment,
)
from .sections import (
    Data as Data,
)
from .sections import (
    PrelogitsNorm as PrelogitsNorm,
)
from .sections import (
    PreprocessingSection as PreprocessingSection,
)
from .stage import Stage as Stage
