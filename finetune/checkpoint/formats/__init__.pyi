from .format import Format as Format, Variables as Variables, damage as damage
from .registry import (
    ARCHIVES as ARCHIVES,
    SAVED_MODEL as SAVED_MODEL,
    SINGLE_FILES as SINGLE_FILES,
    TF1 as TF1,
    by_name as by_name,
    in_folder as in_folder,
    is_archive as is_archive,
    of_file as of_file,
)
from .saved_model import SAVED_MODEL_FILE as SAVED_MODEL_FILE, SAVED_MODEL_VARIABLES as SAVED_MODEL_VARIABLES
from .signatures import refusal as refusal
from .tf1 import refuse_pattern as refuse_pattern
