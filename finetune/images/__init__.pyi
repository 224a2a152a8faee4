from .drawn_face import Identity as Identity
from .drawn_people import write_faces as write_faces
from .drawn_photo import draw_face as draw_face
from .given import Images as Images
from .given import OneImage as OneImage
from .given import network_input as network_input
from .given import one_by_one as one_by_one
from .inspection import Fault as Fault
from .inspection import ImageRecord as ImageRecord
from .inspection import Measure as Measure
from .inspection import Records as Records
from .inspection import Size as Size
from .inspection import decode_all as decode_all
from .inspection import hash_image as hash_image
from .inspection import inspect_images as inspect_images
from .inspection import measure_all as measure_all
from .inspection import sizes_of as sizes_of
from .preprocessing import (
    PRECISIONS as PRECISIONS,
)
from .preprocessing import (
    PREPROCESSING_FILE as PREPROCESSING_FILE,
)
from .preprocessing import (
    RUNTIMES as RUNTIMES,
)
from .preprocessing import (
    STANDARDIZATIONS as STANDARDIZATIONS,
)
from .preprocessing import (
    Precision as Precision,
)
from .preprocessing import (
    Preprocessing as Preprocessing,
)
from .preprocessing import (
    Runtime as Runtime,
)
from .preprocessing import (
    Standardization as Standardization,
)
from .preprocessing import resolve_preprocessing as resolve_preprocessing
from .reading import (
    LARGE as LARGE,
)
from .reading import (
    SUFFIXES as SUFFIXES,
)
from .reading import (
    ChangedImage as ChangedImage,
)
from .reading import (
    ImageError as ImageError,
)
from .reading import (
    NotAnImage as NotAnImage,
)
from .reading import (
    Pixels as Pixels,
)
from .reading import (
    TooManyPixels as TooManyPixels,
)
from .reading import (
    central_crop as central_crop,
)
from .reading import (
    central_crops as central_crops,
)
from .reading import (
    header_sizes as header_sizes,
)
from .reading import (
    read_image as read_image,
)
from .reading import (
    size_notes as size_notes,
)
from .reading import (
    too_small as too_small,
)
from .standardization import standardize as standardize
