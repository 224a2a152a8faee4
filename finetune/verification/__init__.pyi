from .comparison import Difference as Difference, compare as compare, paired_interval as paired_interval
from .discard import (
    DISCARD_FMR as DISCARD_FMR,
    DISCARDED as DISCARDED,
    DiscardCurve as DiscardCurve,
    discard_curve as discard_curve,
    refuse_too_few as refuse_too_few,
)
from .formats import read_pairs as read_pairs
from .groups import (
    TOO_FEW as TOO_FEW,
    BetweenRate as BetweenRate,
    ColumnRates as ColumnRates,
    GroupRates as GroupRates,
    GroupResult as GroupResult,
    Ratio as Ratio,
    WorstChange as WorstChange,
    WorstGroup as WorstGroup,
    compare_worst as compare_worst,
    group_rates as group_rates,
    without_rates as without_rates,
    worst_group as worst_group,
)
from .groups_file import read_groups as read_groups
from .measuring import Embed as Embed, measure as measure, measure_lfw as measure_lfw
from .opening import open_pairs as open_pairs, usable as usable
from .operating_points import (
    interval as interval,
    least_rate as least_rate,
    operating_point as operating_point,
    rounded_up as rounded_up,
)
from .overlap import find_overlap as find_overlap, read_names as read_names
from .pair_drawing import (
    MOST_PAIRS as MOST_PAIRS,
    PAIRS_PER_FOLD as PAIRS_PER_FOLD,
    Drawn as Drawn,
    count_pairs as count_pairs,
    write_all_pairs as write_all_pairs,
    write_pairs as write_pairs,
)
from .pair_groups import Column as Column, PairGroups as PairGroups
from .pairs import (
    DEFAULT_FOLDS as DEFAULT_FOLDS,
    ImagePairs as ImagePairs,
    Pair as Pair,
    PairsFile as PairsFile,
    image_name as image_name,
    number_of as number_of,
    numbered as numbered,
    resolve as resolve,
)
from .rate_interval import wilson as wilson
from .resampling import RESAMPLES as RESAMPLES, bootstrap as bootstrap
from .result import (
    ACCURACY_STEP as ACCURACY_STEP,
    THRESHOLDS_END as THRESHOLDS_END,
    VAL_STEP as VAL_STEP,
    AccuracyInterval as AccuracyInterval,
    Distance as Distance,
    LFWResult as LFWResult,
    Overlap as Overlap,
    ValidationRate as ValidationRate,
    VerificationResult as VerificationResult,
    decisions as decisions,
    digits as digits,
)
from .robustness import (
    Curve as Curve,
    EmbedChanged as EmbedChanged,
    Level as Level,
    Robustness as Robustness,
    choose_perturbations as choose_perturbations,
    measure_perturbed as measure_perturbed,
)
from .sampling import sampled as sampled
from .sets import (
    OF_LFW as OF_LFW,
    PairSet as PairSet,
    distinct_images as distinct_images,
    measure_sets as measure_sets,
    named as named,
)
from .shares import (
    LEAST_PAIRS as LEAST_PAIRS,
    LEAST_PEOPLE as LEAST_PEOPLE,
    Share as Share,
    share as share,
)
from .strangers import LEAST as LEAST, draw as draw, enough as enough, measure_strangers as measure_strangers
from .template_lists import (
    TemplatePairs as TemplatePairs,
    Templates as Templates,
    read_subjects as read_subjects,
    read_template_pairs as read_template_pairs,
    read_templates as read_templates,
)
from .templates import (
    pool as pool,
    possible_fars as possible_fars,
    refuse_few_pairs as refuse_few_pairs,
    template_pairs as template_pairs,
    verify_templates as verify_templates,
)
from .verdicts import (
    FEW_PEOPLE as FEW_PEOPLE,
    HELD_BACK as HELD_BACK,
    Candidate as Candidate,
    Score as Score,
    Verdict as Verdict,
    losses as losses,
    verdict as verdict,
)
