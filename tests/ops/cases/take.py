from gatewright.num import Intervals
from gatewright.ops import Take
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("take-rows", Take(0), (uniform("fixed<5,2>", 4, 2), uniform("ufixed<2,2>", 3))),
    Case("take-mixed", Take(0), (mixed(3, 5, 2), Intervals.of([0, 2], [4, 3], 0))),
    Case("take-negative", Take(1), (mixed(4, 2, 4), uniform("fixed<3,3>", 2))),
    Case(
        "take-matrix",
        Take(0),
        (mixed(6, 3, 2), Intervals.of([[0, 1], [-3, 2]], [[2, 1], [2, 2]], 0)),
    ),
    Case("take-even", Take(0), (mixed(7, 7), uniform("ufixed<2,3>", 2))),
    Case("take-along", Take(1, True), (mixed(8, 2, 4), uniform("ufixed<2,2>", 2, 3))),
    Case("take-along-first", Take(0, True), (mixed(9, 3, 2), Intervals.of([[-3, 0]], [[2, 1]], 0))),
]
