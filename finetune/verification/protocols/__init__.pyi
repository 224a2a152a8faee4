from .lfw import (
    ACCURACY_THRESHOLDS as ACCURACY_THRESHOLDS,
    VAL_THRESHOLDS as VAL_THRESHOLDS,
    area as area,
    cut_into_folds as cut_into_folds,
    evaluate_pairs as evaluate_pairs,
    val_threshold as val_threshold,
)
