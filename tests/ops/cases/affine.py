import numpy as np

from gatewright.ops import Affine
from tests.ops.cases.common import unary_cases

CASES = unary_cases(
    "affine",
    {
        "scalar": Affine(np.asarray(0.75), np.asarray(-1.25)),
        "channel": Affine(np.asarray([1.5, -2.0, 0.0]), np.asarray([0.0, 3.0, 0.5])),
    },
)
