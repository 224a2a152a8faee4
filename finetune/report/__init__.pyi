from . import tables as tables
from .curves import write_curves as write_curves
from .files import write_into as write_into
from .page import REPORT_FILE as REPORT_FILE, write as write
from .record import Record as Record
from .tables import count_values as count_values, duration as duration, gallery_command as gallery_command
