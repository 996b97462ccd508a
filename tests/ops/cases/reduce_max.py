from gatewright.ops import ReduceMax
from tests.ops.cases.common import Case, Formats, mixed, uniform

CASES = [
    *(Case(f"reduce-max-{name}", ReduceMax((0,)), (t,)) for name, t in Formats(shape=(5,)).all()),
    Case("reduce-max-leading", ReduceMax((0,)), (mixed(3, 4, 3),)),
    Case("reduce-max-last-keep", ReduceMax((1,), True), (mixed(5, 3, 4),)),
    Case("reduce-max-rows-keep", ReduceMax((1,), True), (uniform("fixed<6,3>", 3, 5),)),
    Case("reduce-max-two-axes", ReduceMax((0, 2)), (mixed(7, 2, 3, 2),)),
    Case("reduce-max-all-keep", ReduceMax((0, 1), True), (uniform("ufixed<4,1>", 2, 3),)),
    Case("reduce-max-one", ReduceMax((0,)), (uniform("fixed<6,3>", 1, 2),)),
]
