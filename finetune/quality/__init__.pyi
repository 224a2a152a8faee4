from .face import DEFECTS as DEFECTS, Quality as Quality
from .measuring import measure_quality as measure_quality
from .pixels import PixelQuality as PixelQuality, measure_appearance as measure_appearance
from .pose import Pose as Pose, estimate_pose as estimate_pose
from .table import quality_table as quality_table
