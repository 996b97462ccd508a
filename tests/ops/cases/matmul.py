from gatewright.num import Intervals
from gatewright.ops import Matmul
from tests.ops.cases.common import Case, Formats, mixed, uniform

PAIRS = Formats(shape=(1, 3), names=("fixed<6,3>", "ufixed<4,1>", "fixed<1,1>")).all()

CASES = [
    *(Case(f"matmul-{name}", Matmul(), (t, mixed(11, 3, 2))) for name, t in PAIRS),
    Case("matmul-square", Matmul(), (mixed(3, 3, 4), mixed(4, 4, 3))),
    Case("matmul-rows", Matmul(), (uniform("fixed<5,2>", 4, 3), uniform("fixed<4,2>", 3, 2))),
    Case("matmul-heads", Matmul(), (mixed(5, 2, 2, 3), mixed(6, 2, 3, 2))),
    Case("matmul-broadcast", Matmul(), (mixed(7, 2, 1, 2, 2), mixed(8, 3, 2, 1))),
    Case("matmul-shared", Matmul(), (uniform("fixed<3,1>", 2, 3, 2), uniform("fixed<3,1>", 2, 2))),
    Case("matmul-outer", Matmul(), (uniform("fixed<4,2>", 3, 1), uniform("ufixed<3,2>", 1, 3))),
    Case(
        "matmul-constant",
        Matmul(),
        (uniform("fixed<6,3>", 2, 3), Intervals.of([[5], [-3], [0]], [[5], [-3], [0]], 1)),
    ),
]
