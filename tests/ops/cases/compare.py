from gatewright.num import Intervals
from gatewright.ops import Compare
from gatewright.ops.compare import RELATIONS
from tests.ops.cases.common import Case, mixed, uniform

PAIRS = [
    ("equal", uniform("fixed<3,3>", 3), uniform("fixed<3,2>", 3)),
    ("signs", uniform("fixed<5,2>", 3), uniform("ufixed<4,2>", 3)),
    ("mixed", mixed(3, 2, 4), mixed(4, 2, 4)),
    ("broadcast", mixed(5, 2, 3), mixed(6, 3)),
    ("constant", uniform("fixed<5,3>", 3), Intervals.of([5, -3, 0], [5, -3, 0], [1, 0, 0])),
    ("apart", uniform("ufixed<3,3>", 2), Intervals.of([-4, 8], [-1, 9], 0)),
]
CASES = [
    Case(f"compare-{relation}-{label}", Compare(relation), (a, b))
    for relation in RELATIONS
    for label, a, b in PAIRS
]
