from gatewright.num import Intervals
from gatewright.ops import TopK
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    *(
        Case(f"top_k-{result}-{n}-{k}-{'large' if largest else 'small'}", TopK(k, result, largest),
             (uniform("fixed<4,2>", n),))
        for result in ("values", "positions")
        for n, k in ((1, 1), (2, 1), (5, 2), (8, 8))
        for largest in (True, False)
    ),
    Case("top_k-ties", TopK(4, "positions"), (uniform("ufixed<1,1>", 7),)),
    Case("top_k-ties-small", TopK(4, "positions", False), (uniform("ufixed<1,1>", 6),)),
    Case("top_k-mixed", TopK(3), (mixed(3, 2, 5),)),
    Case("top_k-mixed-both", TopK(3, "values", True, True), (mixed(3, 2, 5),)),
    Case("top_k-mixed-small-both", TopK(5, "values", False, True), (mixed(8, 5),)),
    Case("top_k-mixed-positions", TopK(4, "positions"), (mixed(5, 2, 4),)),
    Case("top_k-zero-on-a-finer-grid", TopK(2, "positions", False),
         (Intervals.of([0, 0, -4], [0, 0, 3], [9, 9, -2]),)),
    Case("top_k-constants", TopK(3, "positions"),
         (Intervals.of([0, 2, 2, 0], [0, 2, 2, 1], [9, 1, 1, 0]),)),
    Case("top_k-rows", TopK(2, "positions", False), (uniform("fixed<5,3>", 3, 4),)),
]  # fmt: skip
