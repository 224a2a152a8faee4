from .batches import input_batches as input_batches
from .drawn_face import Identity as Identity
from .drawn_people import write_faces as write_faces
from .drawn_photo import draw_face as draw_face
from .given import Images as Images, OneImage as OneImage, network_input as network_input, one_by_one as one_by_one
from .inspection import (
    Fault as Fault,
    ImageRecord as ImageRecord,
    Measure as Measure,
    Records as Records,
    Size as Size,
    decode_all as decode_all,
    hash_image as hash_image,
    inspect_images as inspect_images,
    measure_all as measure_all,
    sizes_of as sizes_of,
)
from .preprocessing import (
    PRECISIONS as PRECISIONS,
    PREPROCESSING_FILE as PREPROCESSING_FILE,
    RUNTIMES as RUNTIMES,
    STANDARDIZATIONS as STANDARDIZATIONS,
    Precision as Precision,
    Preprocessing as Preprocessing,
    Runtime as Runtime,
    Standardization as Standardization,
    resolve_preprocessing as resolve_preprocessing,
)
from .reading import (
    LARGE as LARGE,
    SUFFIXES as SUFFIXES,
    ChangedImage as ChangedImage,
    ImageError as ImageError,
    NotAnImage as NotAnImage,
    Pixels as Pixels,
    TooManyPixels as TooManyPixels,
    central_crop as central_crop,
    central_crops as central_crops,
    header_sizes as header_sizes,
    read_image as read_image,
    size_notes as size_notes,
    too_small as too_small,
)
from .standardization import standardize as standardize
