from gatewright.ops import Absolute
from tests.ops.cases.common import unary_cases

CASES = unary_cases("absolute", {"plain": Absolute()})
