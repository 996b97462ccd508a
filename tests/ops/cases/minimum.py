from gatewright.ops import Minimum
from tests.ops.cases.common import binary_cases

CASES = binary_cases("minimum", Minimum())
