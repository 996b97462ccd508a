from gatewright.ops import Transpose
from tests.ops.cases.common import Case, mixed

CASES = [
    Case("transpose", Transpose((2, 0, 1)), (mixed(1, 2, 3, 2),)),
    Case("transpose-inner", Transpose((0, 2, 1)), (mixed(2, 2, 3, 2),)),
]
