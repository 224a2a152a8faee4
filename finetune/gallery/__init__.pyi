from . import published as published
from .calibration import (
    FAR as FAR,
    Threshold as Threshold,
    calibrate as calibrate,
    left_out_share as left_out_share,
)
from .classifier_cache import fitted as fitted, fitted_head as fitted_head
from .classifiers import (
    Classifier as Classifier,
    KNearest as KNearest,
    SoftmaxHead as SoftmaxHead,
    few_photos as few_photos,
)
from .compare import (
    Comparison as Comparison,
    pair_threshold as pair_threshold,
    similarities as similarities,
    verify as verify,
    write_matrix as write_matrix,
)
from .contract import Contract as Contract
from .contract_check import fitting as fitting
from .cross_validation import (
    CrossValidated as CrossValidated,
    Split as Split,
    cross_validate as cross_validate,
    split_by_share as split_by_share,
    split_in_folds as split_in_folds,
)
from .decisions import Decisions as Decisions
from .enrolment import (
    Enrolment as Enrolment,
    enroll as enroll,
    enroll_strangers as enroll_strangers,
    import_features as import_features,
    short as short,
)
from .export import write_export as write_export
from .gallery import Gallery as Gallery
from .identification import (
    Face as Face,
    Identification as Identification,
    faces_of as faces_of,
    identify as identify,
    refuse_nothing as refuse_nothing,
    write_csv as write_csv,
)
from .labelled import (
    POLICIES as POLICIES,
    Labelled as Labelled,
    LabelledPhotos as LabelledPhotos,
    Policy as Policy,
    label_photos as label_photos,
    owners_of as owners_of,
)
from .labelled_figures import (
    LabelledFigures as LabelledFigures,
    PersonCounts as PersonCounts,
    measure_labelled as measure_labelled,
)
from .labelled_tables import show_figures as show_figures
from .legacy import read_features as read_features
from .listed_crops import NamedImages as NamedImages, cut_listed as cut_listed
from .listed_faces import ListedFace as ListedFace, is_list as is_list, read_faces as read_faces
from .logistic import Logistic as Logistic
from .mapping import FittedMap as FittedMap, MapCertificate as MapCertificate, fit_map as fit_map
from .migration import Migration as Migration, plan_migration as plan_migration, write_migration as write_migration
from .migration_rates import MigrationRates as MigrationRates
from .naming import name_faces as name_faces
from .photos import Photos as Photos
from .pictures import draw as draw
from .prototypes import NearestPrototype as NearestPrototype
from .published import embed_array as embed_array
from .sources import on_disk as on_disk
from .storage import (
    read_contract as read_contract,
    read_gallery as read_gallery,
    update as update,
    write_gallery as write_gallery,
)
from .svm import LinearSVM as LinearSVM, PublishedSVM as PublishedSVM
from .watched_folder import (
    WatchedFolder as WatchedFolder,
    WatchJournal as WatchJournal,
    open_journal as open_journal,
)
from .watching import watch as watch
