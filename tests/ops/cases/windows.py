from gatewright.ops import Windows
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("windows-1d", Windows.of((3,)), (mixed(3, 5, 2),)),
    Case("windows-1d-stride-dilation", Windows.of((2,), (2,), (3,)), (mixed(4, 9, 2),)),
    Case("windows-2d", Windows.of((2, 3)), (uniform("fixed<5,2>", 3, 4, 1),)),
    Case("windows-2d-all", Windows.of((2, 2), (2, 1), (1, 2)), (mixed(5, 5, 4, 2),)),
    Case("windows-3d", Windows.of((1, 2, 2)), (mixed(6, 2, 2, 3, 2),)),
    Case("windows-point", Windows.of((1,), (2,)), (uniform("ufixed<4,1>", 4, 3),)),
]
