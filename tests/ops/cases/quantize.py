from dataclasses import replace

from gatewright.num import Overflow, Rounding
from gatewright.ops import Quantize
from tests.ops.cases.common import Case, Formats, unary_cases, uniform

TARGETS = {
    "s5.2": (True, 5, 2),
    "u4.1": (False, 4, 1),
    "coarse": (True, 3, -2),
    "none": (True, 0, 0),
}
TYPES = Formats(shape=(2,), names=("fixed<8,4>", "ufixed<6,2>", "fixed<5,8>", "ufixed<4,-2>"))

CASES = unary_cases(
    "quantize",
    {
        f"{label}-{rounding.name}-{overflow.name}": Quantize.to(*target, rounding, overflow)
        for label, target in TARGETS.items()
        for rounding in Rounding
        for overflow in Overflow
        if label in ("s5.2", "u4.1") or overflow is Overflow.SAT
    },
    TYPES,
)
CASES.append(
    Case(
        "quantize-elements",
        Quantize.to(
            [True, False, True], [4, 3, 0], [1, -1, 0], Rounding.RND_CONV, Overflow.SAT_SYM
        ),
        (uniform("fixed<9,4>", 2, 3),),
    )
)
WIDE = Quantize.to([True, False, True], [9, 8, 0], [3, 4, 0], Rounding.RND, Overflow.SAT)
CASES += unary_cases("quantize", {"whole": replace(Quantize.to(True, 9, 3), whole=True)}, TYPES)
CASES.append(
    Case("quantize-whole-elements", replace(WIDE, whole=True), (uniform("fixed<4,2>", 3),))
)
