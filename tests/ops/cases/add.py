from gatewright.ops import Add
from tests.ops.cases.common import binary_cases

CASES = binary_cases("add", Add())
