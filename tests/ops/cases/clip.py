from gatewright.ops import Clip
from tests.ops.cases.common import unary_cases

CASES = unary_cases(
    "clip",
    {
        "both": Clip(-0.75, 1.625),
        "low": Clip(low=0.3125),
        "high": Clip(high=-0.5),
        "point": Clip(1.0, 1.0),
    },
)
