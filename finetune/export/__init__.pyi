from .certificate import Certificate as Certificate
from .exporter import export as export
from .formats import FORMATS as FORMATS, NAMES as NAMES, QUANTIZATIONS as QUANTIZATIONS
