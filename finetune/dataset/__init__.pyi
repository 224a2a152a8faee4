from .noise import distances_to_center as distances_to_center
from .noise import keep as keep
from .noise import threshold as threshold
from .parts import part_folder as part_folder
from .parts import read_shares as read_shares
from .pipeline import (
    Batch as Batch,
)
from .pipeline import (
    Drawing as Drawing,
)
from .pipeline import (
    ImageBatches as ImageBatches,
)
from .pipeline import (
    evaluation_batches as evaluation_batches,
)
from .pipeline import (
    training_batches as training_batches,
)
from .pipeline import (
    view_batches as view_batches,
)
from .scanning import (
    Dataset as Dataset,
)
from .scanning import (
    Inspect as Inspect,
)
from .scanning import (
    Layout as Layout,
)
from .scanning import (
    Quarantined as Quarantined,
)
from .scanning import (
    Scan as Scan,
)
from .scanning import (
    layout as layout,
)
from .scanning import (
    refuse_two_forms as refuse_two_forms,
)
from .scanning import (
    scan as scan,
)
from .splitting import hold_out as hold_out
from .splitting import places as places
from .splitting import split_validation as split_validation
