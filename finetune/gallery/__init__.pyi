from . import published as published
from .calibration import Threshold as Threshold
from .calibration import calibrate as calibrate
from .calibration import left_out_share as left_out_share
from .classifier_cache import fitted as fitted
from .classifier_cache import fitted_head as fitted_head
from .classifiers import (
    Classifier as Classifier,
)
from .classifiers import (
    KNearest as KNearest,
)
from .classifiers import (
    Logistic as Logistic,
)
from .classifiers import (
    SoftmaxHead as SoftmaxHead,
)
from .classifiers import (
    few_photos as few_photos,
)
from .compare import pair_threshold as pair_threshold
from .enrolment import (
    enroll as enroll,
)
from .enrolment import (
    enroll_strangers as enroll_strangers,
)
from .enrolment import (
    fitting as fitting,
)
from .enrolment import (
    import_features as import_features,
)
from .enrolment import (
    short as short,
)
from .export import write_export as write_export
from .gallery import Contract as Contract
from .gallery import Gallery as Gallery
from .identification import (
    Face as Face,
)
from .identification import (
    Identification as Identification,
)
from .identification import (
    faces_of as faces_of,
)
from .identification import (
    identify as identify,
)
from .identification import (
    refuse_nothing as refuse_nothing,
)
from .identification import (
    write_csv as write_csv,
)
from .labelled import count_named as count_named
from .legacy import read_features as read_features
from .photos import Photos as Photos
from .pictures import draw as draw
from .prototypes import NearestPrototype as NearestPrototype
from .published import embed_array as embed_array
from .sources import on_disk as on_disk
from .storage import (
    read_contract as read_contract,
)
from .storage import (
    read_gallery as read_gallery,
)
from .storage import (
    update as update,
)
from .storage import (
    write_gallery as write_gallery,
)
from .svm import LinearSVM as LinearSVM
from .svm import PublishedSVM as PublishedSVM
