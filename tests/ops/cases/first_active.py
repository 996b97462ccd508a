import numpy as np

from gatewright.num import Intervals
from gatewright.ops import FirstActive
from tests.ops.cases.common import Case, mixed, uniform


def sparse(*shape: int) -> Intervals:
    """Pixels of which a third can be active, some always."""
    rng = np.random.default_rng(7)
    hi = rng.integers(0, 3, shape) * rng.integers(0, 2, shape)
    return Intervals.of(np.where(rng.random(shape) < 0.1, hi, 0), hi, 2)


INPUTS = {
    "image": (uniform("ufixed<1,1>", 3, 5, 1), 6, 0.0),
    "signed": (uniform("fixed<3,2>", 4, 3, 2), 3, 0.25),
    "below": (uniform("fixed<2,2>", 2, 3, 1), 2, -1.3),
    "mixed": (mixed(3, 3, 4, 2, most=4), 5, 0.0),
    "wide": (sparse(3, 11, 1), 4, 0.0),
    "row": (uniform("ufixed<1,0>", 1, 9, 1), 1, 0.0),
    "pixel": (uniform("ufixed<2,2>", 1, 1, 1), 3, 0.5),
}

CASES = [
    Case(f"first-active-{name}-{result}", FirstActive(count, threshold, result), (kind,))
    for name, (kind, count, threshold) in INPUTS.items()
    for result in ("values", "coordinates")
]
