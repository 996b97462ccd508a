from gatewright.ops import Relu
from tests.ops.cases.common import unary_cases

CASES = unary_cases("relu", {"plain": Relu(), "relu6": Relu(high=6.0), "odd": Relu(high=1.34375)})
