from .convolution import training_convolutions as training_convolutions
from .folding import fold as fold
from .forward import (
    BODY as BODY,
    HEAD as HEAD,
    Dropout as Dropout,
    computes_in as computes_in,
    forward_pass as forward_pass,
    l2_normalize as l2_normalize,
    units_of as units_of,
)
from .graph import BatchNormMode as BatchNormMode, build_graph as build_graph, fold_graph as fold_graph
from .initial import initial_value as initial_value
from .trace import multiply_adds as multiply_adds, output_shapes as output_shapes
