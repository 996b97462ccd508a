from gatewright.ops import Subtract
from tests.ops.cases.common import binary_cases

CASES = binary_cases("subtract", Subtract())
