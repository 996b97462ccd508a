from gatewright.ops import Maximum
from tests.ops.cases.common import binary_cases

CASES = binary_cases("maximum", Maximum())
