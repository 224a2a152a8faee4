from .errors import FinetuneError as FinetuneError
from .gallery.compare import verify as verify
from .gallery.naming import name_faces as name_faces
from .model import Model as Model
from .recipe.recipe import Recipe as Recipe
from .recipe.stage import Stage as Stage
from .runs.runner import run as run
from .runs.tuner import FineTuner as FineTuner
from .verification.protocols.lfw import evaluate_pairs as evaluate_pairs
from .verification.result import LFWResult as LFWResult, VerificationResult as VerificationResult

__version__: str
