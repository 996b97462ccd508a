from gatewright.ops import Piecewise
from gatewright.ops.piecewise import shrink, threshold
from tests.ops.cases.common import Formats, unary_cases

CASES = unary_cases(
    "piecewise",
    {
        "threshold": threshold(0.75, -1.5),
        "shrink": shrink(0.5, 0.5),
        "sign": Piecewise((0.0, 0.0), (0.0, 0.0, 0.0), (-1.0, 0.0, 1.0), (True, False)),
        "falls": Piecewise((-1.0, 2.5), (-0.5, 1.25, -0.25), (0.0, 0.375, 3.0), (True, True)),
    },
    Formats(names=("fixed<8,4>", "ufixed<6,2>", "fixed<5,8>", "ufixed<4,-2>", "fixed<1,1>")),
)
