from gatewright.num import Intervals
from gatewright.ops import Where
from tests.ops.cases.common import Case, mixed, uniform

BITS = uniform("ufixed<1,1>", 3)
KNOWN = Intervals.of([0, 1, 0], [1, 1, 0], 0)

CASES = [
    Case("where-plain", Where(), (BITS, uniform("fixed<6,3>", 3), uniform("fixed<5,1>", 3))),
    Case("where-known", Where(), (KNOWN, mixed(3, 3), mixed(4, 3))),
    Case("where-rows", Where(), (uniform("ufixed<1,1>", 2, 1), mixed(5, 2, 3), mixed(6, 3))),
    Case(
        "where-zero",
        Where(),
        (BITS, uniform("fixed<6,9>", 3), Intervals.of([0, 0, 3], [0, 0, 3], 4)),
    ),
]
