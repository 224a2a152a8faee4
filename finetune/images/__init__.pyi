from .appearance import Appearance as Appearance, appearance_of as appearance_of
from .array_standardization import (
    IMAGENET_DEVIATION as IMAGENET_DEVIATION,
    IMAGENET_MEAN as IMAGENET_MEAN,
    standardize_array as standardize_array,
)
from .augmentation import adjust as adjust, erase as erase, rotate as rotate, stretch as stretch, warp as warp
from .batches import input_batches as input_batches
from .camera import (
    add_noise as add_noise,
    change_gamma as change_gamma,
    darken as darken,
    motion as motion,
    to_grey as to_grey,
)
from .channels import in_channels as in_channels, refuse_colors as refuse_colors
from .drawn_face import Identity as Identity
from .drawn_people import write_faces as write_faces
from .drawn_photo import draw_face as draw_face
from .given import (
    Change as Change,
    Images as Images,
    OneImage as OneImage,
    network_input as network_input,
    network_inputs as network_inputs,
    one_by_one as one_by_one,
)
from .inspection import (
    Measure as Measure,
    decode_all as decode_all,
    hash_image as hash_image,
    hash_images as hash_images,
    inspect_images as inspect_images,
    measure_all as measure_all,
    sizes_of as sizes_of,
)
from .kept import hash_kept as hash_kept, inspect_kept as inspect_kept
from .layer_statistics import first_layer as first_layer, standardization_distances as standardization_distances
from .perturbation import PERTURBATIONS as PERTURBATIONS, Perturbation as Perturbation
from .preprocessing import (
    AS_EXPECTED as AS_EXPECTED,
    EMBEDDING_RUNTIMES as EMBEDDING_RUNTIMES,
    PRECISIONS as PRECISIONS,
    PREPROCESSING_FILE as PREPROCESSING_FILE,
    RUNTIMES as RUNTIMES,
    Choice as Choice,
    EmbeddingRuntime as EmbeddingRuntime,
    Precision as Precision,
    Preprocessing as Preprocessing,
    Runtime as Runtime,
    chosen as chosen,
    resolve_preprocessing as resolve_preprocessing,
    usual_preprocessing as usual_preprocessing,
)
from .probe_images import probes as probes
from .reading import (
    LARGE as LARGE,
    SUFFIXES as SUFFIXES,
    ChangedImage as ChangedImage,
    ImageError as ImageError,
    NotAnImage as NotAnImage,
    Pixels as Pixels,
    TooManyPixels as TooManyPixels,
    central_crop as central_crop,
    header_sizes as header_sizes,
    read_image as read_image,
    size_notes as size_notes,
    too_small as too_small,
)
from .records import (
    Fault as Fault,
    ImageRecord as ImageRecord,
    JoinedRecords as JoinedRecords,
    RecordList as RecordList,
    Records as Records,
    RecordTable as RecordTable,
    Size as Size,
)
from .standardization import standardize as standardize
from .standardization_fit import probe as probe, standardization_remarks as standardization_remarks
