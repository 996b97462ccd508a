import numpy as np

from gatewright.num import Intervals
from gatewright.ops import Embedding
from tests.ops.cases.common import Case, uniform

TABLE = np.random.default_rng(3).integers(-9, 9, (8, 3)) * np.array([0.5, 1.0, 0.0])

CASES = [
    Case("embedding-plain", Embedding(TABLE), (uniform("ufixed<3,3>", 2),)),
    Case("embedding-part", Embedding(TABLE), (Intervals.of([[1, 5]], [[6, 5]], 0),)),
    Case("embedding-even", Embedding(TABLE), (uniform("ufixed<2,3>", 2),)),
]
