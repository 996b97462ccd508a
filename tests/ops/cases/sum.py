from gatewright.ops import Sum
from tests.ops.cases.common import Case, Formats, mixed, uniform

CASES = [
    *(Case(f"sum-{name}", Sum((0,)), (t,)) for name, t in Formats(shape=(5,)).all()),
    Case("sum-leading", Sum((0,)), (mixed(3, 4, 3),)),
    Case("sum-last-keep", Sum((1,), True), (mixed(5, 3, 4),)),
    Case("sum-rows-keep", Sum((1,), True), (uniform("fixed<6,3>", 3, 5),)),
    Case("sum-two-axes", Sum((0, 2)), (mixed(7, 2, 3, 2),)),
    Case("sum-all-keep", Sum((0, 1), True), (uniform("ufixed<4,1>", 2, 3),)),
    Case("sum-one", Sum((0,)), (uniform("fixed<6,3>", 1, 2),)),
]
