import numpy as np

from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import FUNCTIONS, Function, Quantize
from tests.ops.cases.common import Case, mixed, uniform

OUT = Quantize.to(True, 9, 6, Rounding.RND, Overflow.SAT)
WRAPS = Quantize.to([True, False], [6, 5], [4, 4], Rounding.TRN, Overflow.WRAP)

PARAMETERS = {
    "celu": (1.5,), "elu_alpha": (0.7,), "exp_single": (-0.3,), "power": (-1.5,),
    "reciprocal_single": (1e-7,), "rsqrt": (0.001,),
    "selu_alpha": (1.7, 1.1), "softplus_beta": (2.0,), "squareplus": (4.0,), "swish": (1.5,),
    "ulaw": (255.0,),
}  # fmt: skip
ABOVE_ZERO = Intervals.of(np.ones(2), np.full(2, 60), 3)
DOMAINS = {
    **dict.fromkeys(("log", "log10", "log2", "power", "reciprocal", "rsqrt", "sqrt"), ABOVE_ZERO),
    "acos": Intervals.of(np.full(2, -16), np.full(2, 16), 4),
    "acosh": Intervals.of(np.full(2, 8), np.full(2, 60), 3),
    "asin": Intervals.of(np.full(2, -16), np.full(2, 16), 4),
    "atanh": Intervals.of(np.full(2, -15), np.full(2, 15), 4),
    "log1p": Intervals.of(np.full(2, -7), np.full(2, 60), 3),
}
"""Inputs of functions that are not defined everywhere."""

CASES = [
    Case(
        f"function-{name}",
        Function(name, OUT, PARAMETERS.get(name, ())),
        (DOMAINS.get(name, uniform("fixed<7,3>", 2)),),
    )
    for name in FUNCTIONS
]
CASES += [
    Case("function-elements", Function("tanh", WRAPS), (mixed(11, 2),)),
    Case("function-unsigned", Function("sigmoid", OUT), (uniform("ufixed<5,3>", 2),)),
    Case("function-saturates", Function("tanh", OUT), (uniform("fixed<14,9>", 1),)),
    Case("function-wide", Function("sigmoid", OUT), (uniform("fixed<30,20>", 1),)),
    Case("function-wide-gap", Function("exp", OUT), (Intervals.of([-(2**25)], [-7], 4),)),
]
