"""Floor 6: operations, a file each with its type rule, its integer meaning and its circuit."""

from gatewright.ir import Op
from gatewright.ops.absolute import Absolute
from gatewright.ops.add import Add
from gatewright.ops.affine import Affine
from gatewright.ops.argmax import Argmax
from gatewright.ops.clip import Clip
from gatewright.ops.compare import Compare
from gatewright.ops.concatenate import Concatenate
from gatewright.ops.constant import Constant
from gatewright.ops.dense import Dense
from gatewright.ops.densify import Densify
from gatewright.ops.divide import Divide
from gatewright.ops.divide_constant import DivideConstant
from gatewright.ops.embedding import Embedding
from gatewright.ops.fill_missing import FillMissing
from gatewright.ops.first_active import FirstActive
from gatewright.ops.forest import Forest
from gatewright.ops.function import Function
from gatewright.ops.functions import FUNCTIONS
from gatewright.ops.gather import Gather
from gatewright.ops.grouped_dense import GroupedDense
from gatewright.ops.leaky_relu import LeakyRelu
from gatewright.ops.logical import Logical
from gatewright.ops.lookup import Lookup
from gatewright.ops.matmul import Matmul
from gatewright.ops.maximum import Maximum
from gatewright.ops.minimum import Minimum
from gatewright.ops.multiply import Multiply
from gatewright.ops.normalize import Normalize, NormalizeFormats
from gatewright.ops.offset_weights import OffsetWeights
from gatewright.ops.one_hot import OneHot
from gatewright.ops.pad import Pad
from gatewright.ops.piecewise import Piecewise
from gatewright.ops.place_weights import PlaceWeights
from gatewright.ops.pool_cells import PoolCells
from gatewright.ops.quantize import Quantize
from gatewright.ops.reduce_max import ReduceMax
from gatewright.ops.reduce_min import ReduceMin
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape
from gatewright.ops.scaled_quantize import ScaledQuantize
from gatewright.ops.segment import Segment
from gatewright.ops.sign import Sign
from gatewright.ops.slice import Slice
from gatewright.ops.softmax import Softmax, SoftmaxFormats
from gatewright.ops.subtract import Subtract
from gatewright.ops.sum import Sum
from gatewright.ops.table_sum import TableSpec, TableSum
from gatewright.ops.take import Take
from gatewright.ops.top_k import TopK
from gatewright.ops.transpose import Transpose
from gatewright.ops.where import Where
from gatewright.ops.windows import Windows

OPERATIONS: tuple[type[Op], ...] = (
    Absolute,
    Add,
    Affine,
    Argmax,
    Clip,
    Compare,
    Concatenate,
    Constant,
    Dense,
    Densify,
    Divide,
    DivideConstant,
    Embedding,
    FillMissing,
    FirstActive,
    Forest,
    Function,
    Gather,
    GroupedDense,
    LeakyRelu,
    Logical,
    Lookup,
    Matmul,
    Maximum,
    Minimum,
    Multiply,
    Normalize,
    OffsetWeights,
    OneHot,
    Pad,
    Piecewise,
    PlaceWeights,
    PoolCells,
    Quantize,
    ReduceMax,
    ReduceMin,
    Relu,
    Requantize,
    Reshape,
    ScaledQuantize,
    Segment,
    Sign,
    Slice,
    Softmax,
    Subtract,
    Sum,
    TableSum,
    Take,
    TopK,
    Transpose,
    Where,
    Windows,
)
"""Every operation. The conformance suite fails for one without a case."""

__all__ = [
    "FUNCTIONS",
    "OPERATIONS",
    "Absolute",
    "Add",
    "Affine",
    "Argmax",
    "Clip",
    "Compare",
    "Concatenate",
    "Constant",
    "Dense",
    "Densify",
    "Divide",
    "DivideConstant",
    "Embedding",
    "FillMissing",
    "FirstActive",
    "Forest",
    "Function",
    "Gather",
    "GroupedDense",
    "LeakyRelu",
    "Logical",
    "Lookup",
    "Matmul",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalize",
    "NormalizeFormats",
    "OffsetWeights",
    "OneHot",
    "Pad",
    "Piecewise",
    "PlaceWeights",
    "PoolCells",
    "Quantize",
    "ReduceMax",
    "ReduceMin",
    "Relu",
    "Requantize",
    "Reshape",
    "ScaledQuantize",
    "Segment",
    "Sign",
    "Slice",
    "Softmax",
    "SoftmaxFormats",
    "Subtract",
    "Sum",
    "TableSpec",
    "TableSum",
    "Take",
    "TopK",
    "Transpose",
    "Where",
    "Windows",
]
