import numpy as np

from gatewright.ops import Constant
from tests.ops.cases.common import Case, uniform

CASES = [
    Case(
        "constant", Constant(np.asarray([[1.5, -3.0], [0.0, 0.0625]])), (uniform("fixed<4,2>", 2),)
    )
]
