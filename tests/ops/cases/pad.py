from gatewright.ops import Pad
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("pad-zero", Pad((1,), (2,)), (uniform("fixed<5,2>", 3),)),
    Case("pad-image", Pad((1, 0, 0), (0, 2, 0)), (mixed(3, 2, 2, 2),)),
    Case("pad-constant", Pad((0, 1), (1, 0), -0.75), (mixed(4, 2, 2),)),
    Case("pad-inner", Pad((0, 1, 0), (0, 0, 2), 0.5), (mixed(5, 2, 2, 1),)),
    Case("pad-nothing", Pad((0,), (0,)), (uniform("ufixed<4,1>", 2),)),
]
