from gatewright.ops import ReduceMin
from tests.ops.cases.common import Case, Formats, mixed, uniform

CASES = [
    *(Case(f"reduce-min-{name}", ReduceMin((0,)), (t,)) for name, t in Formats(shape=(5,)).all()),
    Case("reduce-min-leading", ReduceMin((0,)), (mixed(3, 4, 3),)),
    Case("reduce-min-last-keep", ReduceMin((1,), True), (mixed(5, 3, 4),)),
    Case("reduce-min-rows-keep", ReduceMin((1,), True), (uniform("fixed<6,3>", 3, 5),)),
    Case("reduce-min-two-axes", ReduceMin((0, 2)), (mixed(7, 2, 3, 2),)),
    Case("reduce-min-all-keep", ReduceMin((0, 1), True), (uniform("ufixed<4,1>", 2, 3),)),
    Case("reduce-min-one", ReduceMin((0,)), (uniform("fixed<6,3>", 1, 2),)),
]
