from .cache import Entry as Entry, VectorCache as VectorCache, entry_name as entry_name
from .embedder import Embedder as Embedder, key_of as key_of
from .frozen import FrozenFeatures as FrozenFeatures
from .frozen_units import (
    FILL_BATCH as FILL_BATCH,
    choice as choice,
    choice_of as choice_of,
    stored_entry as stored_entry,
)
from .placement import Choice as Choice, Where as Where
