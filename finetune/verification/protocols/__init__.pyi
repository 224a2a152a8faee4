from .lfw import (
    ACCURACY_THRESHOLDS as ACCURACY_THRESHOLDS,
)
from .lfw import (
    VAL_THRESHOLDS as VAL_THRESHOLDS,
)
from .lfw import (
    area as area,
)
from .lfw import (
    cut_into_folds as cut_into_folds,
)
from .lfw import (
    evaluate_pairs as evaluate_pairs,
)
from .lfw import (
    val_threshold as val_threshold,
)
