import numpy as np

from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Lookup, Quantize
from tests.ops.cases.common import Case, uniform

OUT = Quantize.to(True, 7, 4, Rounding.RND, Overflow.SAT)
WAVES = Lookup.of(lambda x: 2 * np.sin(3 * x), -32, 31, 3, OUT)
EXACT = Lookup.of_values([3.0, -0.5, np.nan, 1.25, 8.0], -1, 1)

CASES = [
    Case("lookup-all", WAVES, (uniform("fixed<6,3>", 3),)),
    Case("lookup-coarser", WAVES, (uniform("fixed<4,3>", 2),)),
    Case("lookup-part", WAVES, (Intervals.of([-5, 0, 7], [9, 31, 7], 3),)),
    Case("lookup-exact", EXACT, (Intervals.of([2, -1], [3, 0], 1),)),
]
