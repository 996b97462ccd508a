from gatewright.num import Intervals
from gatewright.ops import OneHot
from tests.ops.cases.common import Case, uniform

CASES = [
    Case("one_hot-exact", OneHot(8), (uniform("ufixed<3,3>", 2),)),
    Case("one_hot-beyond", OneHot(3), (uniform("fixed<4,4>", 2, 2),)),
    Case("one_hot-wraps", OneHot(3, True), (uniform("fixed<4,4>", 2),)),
    Case("one_hot-even", OneHot(5), (uniform("ufixed<2,3>", 2),)),
    Case("one_hot-known", OneHot(3), (Intervals.of([1, 0, 7], [1, 2, 9], 0),)),
]
