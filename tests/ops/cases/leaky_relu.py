import numpy as np

from gatewright.ops import LeakyRelu
from tests.ops.cases.common import unary_cases

CASES = unary_cases(
    "leaky_relu",
    {
        "quarter": LeakyRelu(np.asarray(0.25)),
        "prelu": LeakyRelu(np.asarray([0.375, -0.5, 0.0])),
        "steep": LeakyRelu(np.asarray(2.0)),
    },
)
