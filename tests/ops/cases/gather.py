from gatewright.ops import Gather
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("gather-first", Gather.of([2, 0, 0], 0), (mixed(3, 3, 2),)),
    Case("gather-last-2d", Gather.of([[1, 0], [1, 1]], 1), (mixed(4, 2, 3),)),
    Case("gather-one", Gather.of(1, 0), (uniform("fixed<5,2>", 3),)),
]
