from . import tables as tables
from .appearance import appearance_table as appearance_table
from .curves import write_curves as write_curves
from .discard import discard_table as discard_table
from .files import write_into as write_into
from .groups import group_table as group_table
from .page import REPORT_FILE as REPORT_FILE, write as write
from .record import Record as Record
from .robustness import curve_table as curve_table, write_picture as write_picture
from .tables import count_values as count_values, duration as duration, gallery_command as gallery_command
