from .comparison import Difference as Difference, compare as compare, paired_interval as paired_interval
from .measuring import Embed as Embed, measure as measure, measure_lfw as measure_lfw
from .opening import open_pairs as open_pairs, usable as usable
from .operating_points import interval as interval, least_rate as least_rate, operating_point as operating_point
from .overlap import find_overlap as find_overlap, read_names as read_names
from .pair_drawing import PAIRS_PER_FOLD as PAIRS_PER_FOLD, write_pairs as write_pairs
from .pairs import (
    DEFAULT_FOLDS as DEFAULT_FOLDS,
    ImagePairs as ImagePairs,
    Pair as Pair,
    PairsFile as PairsFile,
    read_pairs as read_pairs,
    resolve as resolve,
)
from .resampling import RESAMPLES as RESAMPLES, bootstrap as bootstrap
from .result import (
    ACCURACY_STEP as ACCURACY_STEP,
    THRESHOLDS_END as THRESHOLDS_END,
    VAL_STEP as VAL_STEP,
    Distance as Distance,
    LFWResult as LFWResult,
    Overlap as Overlap,
    VerificationResult as VerificationResult,
    decisions as decisions,
    digits as digits,
)
from .sampling import sampled as sampled
from .sets import (
    OF_LFW as OF_LFW,
    PairSet as PairSet,
    distinct_images as distinct_images,
    measure_sets as measure_sets,
    named as named,
)
from .strangers import LEAST as LEAST, draw as draw, enough as enough, measure_strangers as measure_strangers
from .verdicts import (
    FEW_PEOPLE as FEW_PEOPLE,
    HELD_BACK as HELD_BACK,
    Candidate as Candidate,
    Score as Score,
    Verdict as Verdict,
    losses as losses,
    verdict as verdict,
)
