from .arrays import (
    ImageArray as ImageArray,
    Resizing as Resizing,
    import_arrays as import_arrays,
    import_unlabelled as import_unlabelled,
    open_images as open_images,
    read_labels as read_labels,
)
from .celeba import read_celeba as read_celeba
from .layout import CASIA as CASIA, VGGFACE2 as VGGFACE2, read_layout as read_layout
from .listing import Listing as Listing, import_photos as import_photos
from .people import Imported as Imported
from .table import read_csv as read_csv
