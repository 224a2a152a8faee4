from .adaface import AdaFace as AdaFace
from .arcface import ArcFace as ArcFace
from .batches import (
    RANDOM as RANDOM,
    AnyMining as AnyMining,
    Mining as Mining,
    Negatives as Negatives,
    PeopleTimesImages as PeopleTimesImages,
    Sampling as Sampling,
)
from .center_loss import CenterLoss as CenterLoss
from .classification import CORRECT as CORRECT, balanced as balanced
from .cosface import CosFace as CosFace
from .curricularface import CurricularFace as CurricularFace
from .distillation import AnyDistillation as AnyDistillation, Distillation as Distillation
from .loss import Alert as Alert, Loss as Loss, Monitor as Monitor, Outputs as Outputs, Sizes as Sizes
from .metric import GRADIENT_NORM as GRADIENT_NORM, IMAGES as IMAGES, LOSS as LOSS, Metric as Metric
from .penalties import L2SP as L2SP, WeightDecay as WeightDecay
from .prelogits_norm import PrelogitsNorm as PrelogitsNorm
from .registry import LOSSES as LOSSES, AnyLoss as AnyLoss, all_metrics as all_metrics
from .softmax import Softmax as Softmax
from .sub_arcface import SubArcFace as SubArcFace
from .term import Term as Term
from .triplet import Triplet as Triplet, TripletDistance as TripletDistance
