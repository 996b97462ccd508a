from gatewright.num import Overflow, Rounding
from gatewright.ops import FUNCTIONS, Function, Quantize
from tests.ops.cases.common import Case, mixed, uniform

OUT = Quantize.to(True, 9, 6, Rounding.RND, Overflow.SAT)
WRAPS = Quantize.to([True, False], [6, 5], [4, 4], Rounding.TRN, Overflow.WRAP)

CASES = [
    Case(f"function-{name}", Function(name, OUT), (uniform("fixed<7,3>", 2),)) for name in FUNCTIONS
]
CASES += [
    Case("function-elements", Function("tanh", WRAPS), (mixed(11, 2),)),
    Case("function-unsigned", Function("sigmoid", OUT), (uniform("ufixed<5,3>", 2),)),
]
