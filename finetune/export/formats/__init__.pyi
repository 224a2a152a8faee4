from .content import Content as Content
from .format import Format as Format
from .registry import FORMATS as FORMATS, NAMES as NAMES, QUANTIZATIONS as QUANTIZATIONS, find as find
