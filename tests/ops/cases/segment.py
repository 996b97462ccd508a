from gatewright.num import Intervals
from gatewright.ops import Segment
from tests.ops.cases.common import Case, mixed, uniform

EDGES = Intervals.of([0, 2, 0, 2, 5], [0, 2, 0, 2, 5], 0)
OPEN = Intervals.of([0, 2, 0, -1, 1], [3, 2, 1, 6, 2], 0)
OPS = {
    "sum": Segment(4),
    "max": Segment(4, "max", -1.5),
    "min": Segment(4, "min"),
}

CASES = [
    *(Case(f"segment-{n}-edges", op, (mixed(3, 5, 2), EDGES)) for n, op in OPS.items()),
    *(Case(f"segment-{n}-open", op, (mixed(4, 5, 2), OPEN)) for n, op in OPS.items()),
    *(
        Case(f"segment-{n}-same", op, (uniform("fixed<5,2>", 4), uniform("ufixed<2,2>", 4)))
        for n, op in OPS.items()
    ),
]
