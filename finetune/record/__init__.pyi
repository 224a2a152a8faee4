from .folder import ADVICE as ADVICE
from .folder import RunFolder as RunFolder
from .held_back import HeldBack as HeldBack
from .held_back import by_nearest_mean as by_nearest_mean
from .histories import Histories as Histories
from .machine import environment as environment
from .results import (
    BASELINE as BASELINE,
)
from .results import (
    Evidence as Evidence,
)
from .results import (
    StageResult as StageResult,
)
from .results import (
    ended as ended,
)
from .results import (
    stored_results as stored_results,
)
from .results import (
    verdict_of as verdict_of,
)
from .results import (
    write_evidence as write_evidence,
)
from .trade_off import FAR as FAR
from .trade_off import TradeOff as TradeOff
from .trade_off import columns as columns
