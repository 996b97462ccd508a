import numpy as np

from gatewright.num import Intervals
from gatewright.ops import OffsetWeights
from tests.ops.cases.common import Case


def kernel(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.ldexp(rng.integers(-7, 8, shape).astype(np.float64), -2)


def coordinates(lo: int, high: tuple[int, int], pixels: int) -> Intervals:
    hi = np.broadcast_to(high, (pixels, 2))
    return Intervals.of(np.full_like(hi, lo), hi, 0)


FIXED = Intervals.of([[0, 0], [1, 0], [2, 2]], [[4, 3], [1, 0], [2, 6]], 0)

CASES = [
    Case("offset-weights-3x3", OffsetWeights.same(kernel(1, 3, 3, 1, 1), 5),
         (coordinates(0, (5, 4), 3),)),
    Case("offset-weights-channels", OffsetWeights.same(kernel(2, 3, 1, 2, 2), 4),
         (coordinates(0, (4, 3), 3),)),
    Case("offset-weights-even", OffsetWeights.same(kernel(3, 2, 4, 1, 2), 3),
         (coordinates(-2, (4, 7), 2),)),
    Case("offset-weights-known", OffsetWeights.same(kernel(4, 5, 5, 1, 1), 3), (FIXED,)),
    Case("offset-weights-zero", OffsetWeights.same(kernel(4, 3, 3, 1, 2) * [0.0, 1.0], 3),
         (coordinates(0, (3, 3), 2),)),
    Case("offset-weights-coarse", OffsetWeights.same(kernel(5, 3, 3, 1, 1), 8),
         (Intervals.of([[0, 0], [0, 0]], [[3, 2], [4, 3]], -1),)),
]  # fmt: skip
