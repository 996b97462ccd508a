from gatewright.ops import Multiply
from tests.ops.cases.common import binary_cases

CASES = binary_cases("multiply", Multiply())
