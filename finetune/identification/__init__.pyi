from .closed_set import CMC as CMC, cumulative_match as cumulative_match, ranks as ranks
from .error_curves import (
    ErrorCurve as ErrorCurve,
    error_curve as error_curve,
    verification_errors as verification_errors,
)
from .intervals import Rate as Rate, rate_intervals as rate_intervals, rate_of as rate_of
from .mapped import map_embeddings as map_embeddings
from .operating_rates import (
    OperatingRates as OperatingRates,
    Probes as Probes,
    identification_curve as identification_curve,
    tpir_at as tpir_at,
)
from .rates import OpenSet as OpenSet, open_set as open_set, unit_class_means as unit_class_means
from .search import nearest as nearest
from .templates import (
    FPIRS as FPIRS,
    TemplateIdentification as TemplateIdentification,
    identify_templates as identify_templates,
)
from .thresholds import Conservative as Conservative, conservative_threshold as conservative_threshold
