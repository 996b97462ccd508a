from gatewright.ops import Reshape
from tests.ops.cases.common import Case, mixed

CASES = [
    Case("reshape", Reshape((3, -1)), (mixed(1, 2, 6),)),
    Case("flatten", Reshape((-1,)), (mixed(2, 2, 3),)),
]
