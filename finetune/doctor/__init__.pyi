from .examination import IMAGE_SIZE as IMAGE_SIZE, LARGEST as LARGEST, examine as examine
from .finding import KINDS as KINDS, Finding as Finding
from .identities import centred as centred, check_identities as check_identities
from .poor import judge_quality as judge_quality
from .quarantine import Quarantine as Quarantine
from .report import Report as Report
from .sheet import write_sheet as write_sheet
from .tables import show_report as show_report
from .thumbnails import Thumbnails as Thumbnails
