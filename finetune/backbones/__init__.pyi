from . import layer_kinds as layer_kinds
from .backbone import (
    CHANNELS as CHANNELS,
    FACENET_STANDARDIZATIONS as FACENET_STANDARDIZATIONS,
    STANDARDIZATIONS as STANDARDIZATIONS,
    WEIGHTS as WEIGHTS,
    Backbone as Backbone,
    Channels as Channels,
    Standardization as Standardization,
    Unit as Unit,
    Weights as Weights,
)
from .convnext import CONVNEXT_TINY_LEAST_SIZE as CONVNEXT_TINY_LEAST_SIZE, CONVNEXT_TINY_UNITS as CONVNEXT_TINY_UNITS
from .cutting import cut as cut
from .efficientnet import (
    EFFICIENTNET_B1_LEAST_SIZE as EFFICIENTNET_B1_LEAST_SIZE,
    EFFICIENTNET_B1_UNITS as EFFICIENTNET_B1_UNITS,
)
from .graph import (
    KERNELS as KERNELS,
    STATISTICS as STATISTICS,
    Graph as Graph,
    Node as Node,
    NumberedNames as NumberedNames,
    chain as chain,
)
from .graph_folding import foldable as foldable, folded_graph as folded_graph
from .inception_v3 import INCEPTION_V3_LEAST_SIZE as INCEPTION_V3_LEAST_SIZE, INCEPTION_V3_UNITS as INCEPTION_V3_UNITS
from .keras_file import KerasNetwork as KerasNetwork, read_network as read_network
from .keras_layers import layer_order as layer_order
from .keras_ports import keras_order as keras_order, usual_names as usual_names
from .layer_shapes import (
    Shape as Shape,
    graph_shapes as graph_shapes,
    graph_variables as graph_variables,
    least_image_size as least_image_size,
    output_shape as output_shape,
    variable_names as variable_names,
    variable_sizes as variable_sizes,
)
from .neck import Neck as Neck, stored_neck as stored_neck, with_neck as with_neck
from .network_file import NETWORK_FILE as NETWORK_FILE, stored_network as stored_network
from .network_shapes import variable_shapes as variable_shapes
from .placed_layers import PlacedLayer as PlacedLayer, layers as layers
from .port import Port as Port, Theirs as Theirs
from .ports import PORTS as PORTS, find_port as find_port
from .published import (
    LICENCE as LICENCE,
    PUBLISHED as PUBLISHED,
    Published as Published,
    find_published as find_published,
    find_published_file as find_published_file,
)
from .registry import (
    BACKBONES as BACKBONES,
    DEFAULT as DEFAULT,
    LEAST_IMAGE_SIZE as LEAST_IMAGE_SIZE,
    OWN as OWN,
    by_name as by_name,
    recognise as recognise,
)
from .specs import (
    AveragePool as AveragePool,
    BatchNorm as BatchNorm,
    Branch as Branch,
    Convolution as Convolution,
    Dense as Dense,
    Fire as Fire,
    Flatten as Flatten,
    GlobalAveragePool as GlobalAveragePool,
    Layer as Layer,
    MaxPool as MaxPool,
    Mixed as Mixed,
    Reduction as Reduction,
    Residual as Residual,
    Spec as Spec,
    has_variables as has_variables,
)
