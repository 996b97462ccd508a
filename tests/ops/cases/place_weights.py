from gatewright.ops import PlaceWeights
from tests.ops.cases.common import Case
from tests.ops.cases.offset_weights import FIXED, coordinates, kernel
from tests.ops.cases.pool_cells import COARSE

CASES = [
    Case(f"place-weights-{name}", PlaceWeights(weights, window), (kind,))
    for name, weights, window, kind in (
        ("image", kernel(1, 4, 3, 1, 2), (1, 1), coordinates(0, (4, 3), 2)),
        ("windows", kernel(2, 3, 3, 2, 1), (2, 2), coordinates(0, (6, 5), 2)),
        ("outside", kernel(3, 2, 2, 1, 2), (3, 2), coordinates(-1, (8, 6), 2)),
        ("one", kernel(4, 1, 1, 2, 2), (4, 4), coordinates(0, (4, 3), 2)),
        ("known", kernel(5, 3, 3, 1, 1), (2, 3), FIXED),
        ("coarse", kernel(6, 2, 4, 1, 1), (3, 2), COARSE),
        ("column", kernel(7, 8, 8, 1, 1), (1, 1), coordinates(0, (8, 0), 2)),
    )
]
