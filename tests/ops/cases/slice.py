from gatewright.ops import Slice
from tests.ops.cases.common import Case, mixed

CASES = [
    Case("slice-step", Slice(((None, None, -2),)), (mixed(1, 5),)),
    Case("slice-part", Slice(((1, 3, None), (None, -1, None))), (mixed(2, 4, 3),)),
    Case("slice-index", Slice(((1, 2, None),), squeeze=(0,)), (mixed(3, 3, 2),)),
    Case("slice-inner", Slice(((None, None, None), (1, None, 2))), (mixed(4, 2, 4),)),
]
