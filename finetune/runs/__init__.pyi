from .opening import Inputs as Inputs
from .opening import measure_model as measure_model
from .opening import open_pairs as open_pairs
from .opening import usable as usable
from .planning import (
    describe as describe,
)
from .planning import (
    plan as plan,
)
from .planning import (
    probe as probe,
)
from .planning import (
    standardization_warnings as standardization_warnings,
)
from .runner import run as run
from .tuner import FineTuner as FineTuner
