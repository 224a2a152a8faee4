from .arrays import (
    ImageArray as ImageArray,
)
from .arrays import (
    import_arrays as import_arrays,
)
from .arrays import (
    open_images as open_images,
)
from .arrays import (
    read_labels as read_labels,
)
from .celeba import read_celeba as read_celeba
from .layout import CASIA as CASIA
from .layout import VGGFACE2 as VGGFACE2
from .layout import read_layout as read_layout
from .listing import Listing as Listing
from .listing import import_photos as import_photos
from .table import read_csv as read_csv
