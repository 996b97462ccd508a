from gatewright.ops import Densify
from tests.ops.cases.common import Case, mixed, uniform
from tests.ops.cases.offset_weights import FIXED, coordinates

CASES = [
    Case("densify-image", Densify((3, 2)),
         (uniform("fixed<4,2>", 4, 1), coordinates(0, (3, 1), 4))),
    Case("densify-outside", Densify((2, 3)), (mixed(1, 3, 2), coordinates(-1, (3, 4), 3))),
    Case("densify-known", Densify((3, 4)), (mixed(2, 3, 2), FIXED)),
    Case("densify-single", Densify((1, 1)), (uniform("ufixed<3,1>", 1, 2),
                                             coordinates(0, (1, 1), 1))),
]  # fmt: skip
