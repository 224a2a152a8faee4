from . import tables as tables
from .files import write_into as write_into
from .page import REPORT_FILE as REPORT_FILE
from .page import write as write
from .record import Record as Record
from .tables import count_values as count_values
from .tables import duration as duration
from .tables import gallery_command as gallery_command
