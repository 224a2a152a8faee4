from .central import CentralFeatures as CentralFeatures
from .central import mirrored as mirrored
from .frozen import (
    FILL_BATCH as FILL_BATCH,
)
from .frozen import (
    FrozenFeatures as FrozenFeatures,
)
from .frozen import (
    choice as choice,
)
from .frozen import (
    choice_of as choice_of,
)
from .frozen import (
    stored as stored,
)
from .placement import Choice as Choice
from .placement import Where as Where
from .placement import choose as choose
from .store import Shelf as Shelf
from .store import Store as Store
from .store import identity as identity
from .store import image_digest as image_digest
from .vectors import embeddings as embeddings
from .vectors import prelogits as prelogits
from .vectors import unit as unit
