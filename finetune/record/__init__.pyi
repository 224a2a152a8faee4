from .folder import ADVICE as ADVICE, RunFolder as RunFolder
from .held_back import HeldBack as HeldBack, by_nearest_mean as by_nearest_mean
from .histories import Histories as Histories
from .machine import environment as environment
from .results import (
    BASELINE as BASELINE,
    STAGE_COLUMNS as STAGE_COLUMNS,
    Evidence as Evidence,
    StageResult as StageResult,
    ended as ended,
    stored_results as stored_results,
    verdict_of as verdict_of,
    write_evidence as write_evidence,
)
from .trade_off import FAR as FAR, TradeOff as TradeOff, columns as columns, pair_columns as pair_columns
