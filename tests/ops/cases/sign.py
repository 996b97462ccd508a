from gatewright.ops import Sign
from tests.ops.cases.common import unary_cases

CASES = unary_cases("sign", {"ternary": Sign(), "binary": Sign(1)})
