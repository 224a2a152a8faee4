from . import devices as devices
from .inference import Inference as Inference, TensorFlow as TensorFlow
from .machine import cores as cores
from .onnx_runtime import (
    IR_VERSION as IR_VERSION,
    OPSET as OPSET,
    RUNTIME as RUNTIME,
    open_session as open_session,
    session_options as session_options,
)
from .openvino import refuse_missing_runtime as refuse_missing_runtime
from .sharing import WHOLE as WHOLE, Share as Share
from .starting import TensorFlowFinder as TensorFlowFinder, refuse_fork as refuse_fork
from .strategy import (
    SINGLE as SINGLE,
    Strategy as Strategy,
    create_strategy as create_strategy,
    planned_strategy as planned_strategy,
)
