import numpy as np

from gatewright.ops import FillMissing
from tests.ops.cases.common import unary_cases

CASES = unary_cases("fill_missing", {"one": FillMissing(np.asarray(-1.0))})
