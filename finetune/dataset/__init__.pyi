from .evaluation import EvaluationBatches as EvaluationBatches
from .noise import distances_to_center as distances_to_center, keep as keep, threshold as threshold
from .parts import part_folder as part_folder, read_shares as read_shares
from .pipeline import (
    Batch as Batch,
    Drawing as Drawing,
    ImageBatches as ImageBatches,
    training_batches as training_batches,
    view_batches as view_batches,
)
from .scanning import (
    UNPLACED as UNPLACED,
    Dataset as Dataset,
    Inspect as Inspect,
    Layout as Layout,
    Quarantined as Quarantined,
    Scan as Scan,
    layout as layout,
    refuse_two_forms as refuse_two_forms,
    scan as scan,
)
from .splitting import hold_out as hold_out, places as places, split_validation as split_validation
from .unlabelled import scan_unlabelled as scan_unlabelled
from .views import Viewer as Viewer, draw_views as draw_views
