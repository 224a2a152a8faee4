from .opening import Inputs as Inputs
from .planning import plan as plan, show_plan as show_plan
from .preview import TrainingImages as TrainingImages, write_preview as write_preview
from .rehearsal import Rehearsal as Rehearsal, without_pairs as without_pairs, without_validation as without_validation
from .runner import run as run
from .tuner import FineTuner as FineTuner
