"""Floor 6: operations, a file each with its type rule, its integer meaning and its circuit."""

from gatewright.ir import Op
from gatewright.ops.add import Add
from gatewright.ops.affine import Affine
from gatewright.ops.argmax import Argmax
from gatewright.ops.clip import Clip
from gatewright.ops.concatenate import Concatenate
from gatewright.ops.constant import Constant
from gatewright.ops.dense import Dense
from gatewright.ops.divide import Divide
from gatewright.ops.function import Function
from gatewright.ops.functions import FUNCTIONS
from gatewright.ops.gather import Gather
from gatewright.ops.leaky_relu import LeakyRelu
from gatewright.ops.lookup import Lookup
from gatewright.ops.maximum import Maximum
from gatewright.ops.minimum import Minimum
from gatewright.ops.multiply import Multiply
from gatewright.ops.normalize import Normalize, NormalizeFormats
from gatewright.ops.pad import Pad
from gatewright.ops.piecewise import Piecewise
from gatewright.ops.quantize import Quantize
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape
from gatewright.ops.scaled_quantize import ScaledQuantize
from gatewright.ops.slice import Slice
from gatewright.ops.softmax import Softmax, SoftmaxFormats
from gatewright.ops.subtract import Subtract
from gatewright.ops.sum import Sum
from gatewright.ops.transpose import Transpose

OPERATIONS: tuple[type[Op], ...] = (
    Add,
    Affine,
    Argmax,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Divide,
    Function,
    Gather,
    LeakyRelu,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Normalize,
    Pad,
    Piecewise,
    Quantize,
    Relu,
    Requantize,
    Reshape,
    ScaledQuantize,
    Slice,
    Softmax,
    Subtract,
    Sum,
    Transpose,
)
"""Every operation. The conformance suite fails for one without a case."""

__all__ = [
    "FUNCTIONS",
    "OPERATIONS",
    "Add",
    "Affine",
    "Argmax",
    "Clip",
    "Concatenate",
    "Constant",
    "Dense",
    "Divide",
    "Function",
    "Gather",
    "LeakyRelu",
    "Lookup",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalize",
    "NormalizeFormats",
    "Pad",
    "Piecewise",
    "Quantize",
    "Relu",
    "Requantize",
    "Reshape",
    "ScaledQuantize",
    "Slice",
    "Softmax",
    "SoftmaxFormats",
    "Subtract",
    "Sum",
    "Transpose",
]
