from .head import prototypes as prototypes
from .history import (
    EpochRow as EpochRow,
    column_meanings as column_meanings,
    from_csv as from_csv,
    history_columns as history_columns,
    number_columns as number_columns,
    set_meanings as set_meanings,
    sets_of as sets_of,
    to_csv as to_csv,
)
from .loop import Data as Data, Run as Run, StageFailed as StageFailed, train as train
from .metrics import STEP_COLUMNS as STEP_COLUMNS
from .monitors import settled as settled
from .replicated import replication_of as replication_of
from .state import StageState as StageState
from .step import Trainer as Trainer, trained as trained
