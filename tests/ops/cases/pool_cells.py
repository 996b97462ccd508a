from gatewright.num import Intervals
from gatewright.ops import PoolCells
from tests.ops.cases.common import Case
from tests.ops.cases.offset_weights import FIXED, coordinates

COARSE = Intervals.of([[0, 0], [0, 0]], [[3, 2], [4, 3]], -1)

CASES = [
    Case(f"pool-cells-{name}-{result}", PoolCells(window, windows, result), (kind,))
    for name, window, windows, kind in (
        ("2x2", (2, 2), (3, 3), coordinates(0, (6, 5), 4)),
        ("ragged", (3, 2), (2, 2), coordinates(-1, (8, 6), 3)),
        ("one", (4, 4), (1, 1), coordinates(0, (4, 3), 3)),
        ("known", (2, 3), (3, 3), FIXED),
        ("coarse", (3, 2), (2, 4), COARSE),
    )
    for result in ("members", "coordinates")
]
