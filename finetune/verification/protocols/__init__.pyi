from .k_fold import K_FOLD as K_FOLD
from .lfw import (
    ACCURACY_THRESHOLDS as ACCURACY_THRESHOLDS,
    VAL_THRESHOLDS as VAL_THRESHOLDS,
    cut_into_folds as cut_into_folds,
    evaluate_pairs as evaluate_pairs,
    val_threshold as val_threshold,
)
from .protocol import Option as Option, VerificationProtocol as VerificationProtocol
from .registry import PROTOCOLS as PROTOCOLS, all_options as all_options, by_name as by_name
from .roc import area as area, equal_error_rate as equal_error_rate
