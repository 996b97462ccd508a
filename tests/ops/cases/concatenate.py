from gatewright.ops import Concatenate
from tests.ops.cases.common import Case, mixed

CASES = [
    Case("concatenate-last", Concatenate(-1), (mixed(1, 2, 3), mixed(2, 2, 1))),
    Case("concatenate-first", Concatenate(0), (mixed(1, 2, 3), mixed(2, 1, 3), mixed(3, 2, 3))),
]
