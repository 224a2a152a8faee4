from .certificate import Certificate as Certificate
from .exporter import export as export
from .formats import FORMATS as FORMATS
from .formats import QUANTIZATIONS as QUANTIZATIONS
