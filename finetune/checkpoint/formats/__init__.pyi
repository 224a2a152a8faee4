from .format import Format as Format, Variables as Variables, damage as damage
from .registry import SINGLE_FILES as SINGLE_FILES, TF1 as TF1, of_file as of_file
from .tf1 import refuse_pattern as refuse_pattern
