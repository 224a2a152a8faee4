from .aligner import Alignment as Alignment, align as align, cut as cut, leftovers as leftovers, targets as targets
from .cached import aligned as aligned
from .coverage import Coverage as Coverage, enlarged as enlarged
from .crop import choose as choose
from .faces import Faces as Faces, read_boxes as read_boxes, write_boxes as write_boxes
from .journal import NAME as NAME, read_journal as read_journal
from .recorded import RecordedFace as RecordedFace, recorded_faces as recorded_faces
