import numpy as np

from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Divide, Quantize
from tests.ops.cases.common import Case, mixed, uniform


def out(width: int, frac: int, mode: Rounding = Rounding.RND, over=Overflow.SAT) -> Quantize:
    return Quantize.to(True, width, frac, mode, over)


POSITIVE = Intervals.of(np.full(2, 3), np.full(2, 29), 3)
NEGATIVE = Intervals.of(np.full(2, -21), np.full(2, -1), 2)
EACH = Quantize.to([True, False], [7, 5], [3, 4], Rounding.RND_CONV, Overflow.SAT_SYM)

CASES = [
    *(
        Case(f"divide-{mode.name}", Divide(out(9, 4, mode)), (uniform("fixed<6,4>", 2), POSITIVE))
        for mode in Rounding
    ),
    *(
        Case(f"divide-{over.name}", Divide(out(5, 3, Rounding.RND, over)),
             (uniform("fixed<6,4>", 2), NEGATIVE))
        for over in Overflow
    ),
    Case("divide-elements", Divide(EACH), (mixed(3, 2), POSITIVE)),
    Case("divide-unsigned", Divide(out(10, 6)), (uniform("ufixed<5,2>", 2), POSITIVE)),
    Case("divide-fine", Divide(out(20, 14, Rounding.TRN)), (uniform("fixed<4,6>", 2), NEGATIVE)),
    Case("divide-coarse", Divide(out(8, -2)), (uniform("fixed<7,9>", 2), POSITIVE)),
    Case("divide-large-divisor", Divide(out(8, 5)),
         (uniform("fixed<3,1>", 2), Intervals.of([200, 2**20], [400, 2**21], [0, 3]))),
    Case("divide-by-constant", Divide(out(8, 5)),
         (uniform("fixed<6,2>", 2), Intervals.of([3, -7], [3, -7], [0, 1]))),
    Case("divide-one", Divide(out(8, 5)), (Intervals.of([1, 0], [1, 0], 0), POSITIVE)),
    Case("divide-broadcast", Divide(out(8, 5)), (uniform("fixed<5,2>", 3, 2), POSITIVE)),
    Case("divide-zero", Divide(out(8, 3), 0.5),
         (uniform("fixed<5,2>", 2), uniform("fixed<4,1>", 2))),
    Case("divide-zero-positive", Divide(EACH, 0.0), (mixed(3, 2), uniform("ufixed<4,1>", 2))),
    Case("divide-zero-negative", Divide(out(6, 2), -1.0),
         (mixed(4, 3), Intervals.of([-9, 0, -1], [0, 0, 1], 2))),
]  # fmt: skip
