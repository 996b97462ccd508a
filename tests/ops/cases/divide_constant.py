from gatewright.ops import DivideConstant
from tests.ops.cases.common import Case, mixed, unary_cases, uniform

CASES = [
    *unary_cases("divide-constant", {"by-4": DivideConstant.of(4), "by-1": DivideConstant.of(1)}),
    Case("divide-constant-each", DivideConstant.of([[1], [2], [8]]), (mixed(4, 3, 2),)),
    Case("divide-constant-last", DivideConstant.of([4, 1]), (uniform("fixed<6,3>", 3, 2),)),
]
