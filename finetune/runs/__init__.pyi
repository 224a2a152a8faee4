from .opening import Inputs as Inputs
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
