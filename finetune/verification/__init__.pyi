from .comparison import Difference as Difference
from .comparison import compare as compare
from .comparison import paired_interval as paired_interval
from .measuring import Embed as Embed
from .measuring import measure as measure
from .measuring import measure_lfw as measure_lfw
from .opening import open_pairs as open_pairs
from .opening import usable as usable
from .operating_points import interval as interval
from .operating_points import least_rate as least_rate
from .operating_points import operating_point as operating_point
from .overlap import find_overlap as find_overlap
from .overlap import read_names as read_names
from .pair_drawing import PAIRS_PER_FOLD as PAIRS_PER_FOLD
from .pair_drawing import write_pairs as write_pairs
from .pairs import (
    DEFAULT_FOLDS as DEFAULT_FOLDS,
)
from .pairs import (
    ImagePairs as ImagePairs,
)
from .pairs import (
    Pair as Pair,
)
from .pairs import (
    PairsFile as PairsFile,
)
from .pairs import (
    read_pairs as read_pairs,
)
from .pairs import (
    resolve as resolve,
)
from .resampling import RESAMPLES as RESAMPLES
from .resampling import bootstrap as bootstrap
from .result import (
    ACCURACY_STEP as ACCURACY_STEP,
)
from .result import (
    THRESHOLDS_END as THRESHOLDS_END,
)
from .result import (
    VAL_STEP as VAL_STEP,
)
from .result import (
    Distance as Distance,
)
from .result import (
    LFWResult as LFWResult,
)
from .result import (
    Overlap as Overlap,
)
from .result import (
    decisions as decisions,
)
from .result import (
    digits as digits,
)
from .sampling import sampled as sampled
from .strangers import LEAST as LEAST
from .strangers import draw as draw
from .strangers import enough as enough
from .strangers import measure_strangers as measure_strangers
from .verdicts import (
    FEW_PEOPLE as FEW_PEOPLE,
)
from .verdicts import (
    HELD_BACK as HELD_BACK,
)
from .verdicts import (
    Candidate as Candidate,
)
from .verdicts import (
    Score as Score,
)
from .verdicts import (
    Verdict as Verdict,
)
from .verdicts import (
    losses as losses,
)
from .verdicts import (
    verdict as verdict,
)
