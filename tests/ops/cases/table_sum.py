import numpy as np

from gatewright.num import Intervals
from gatewright.ops import TableSpec, TableSum
from tests.ops.cases.common import Case, uniform


def drawn(seed: int, reads, low, codes, outputs: int, span: int = 40, step: float = 0.25, frac=0):
    """Random tables: a list of (elements, output)."""
    rng = np.random.default_rng(seed)
    specs = [
        TableSpec(e, j, rng.integers(-span, span + 1, [codes[i] for i in e]) * step)
        for e, j in reads
    ]
    return TableSum.of(specs, low, codes, frac, rng.integers(-9, 10, outputs) * 0.5)


def smooth(outputs: int, inputs: int, bits: int) -> TableSum:
    """Edges as those of a Kolmogorov-Arnold layer: slow functions of one signed number each."""
    x = np.arange(1 << bits) / (1 << bits)
    specs = [
        TableSpec((i,), j, np.rint(30 * np.sin(3 * x + i + 2 * j) + 5 * x * i))
        for i in range(inputs)
        for j in range(outputs)
    ]
    half = 1 << (bits - 1)
    return TableSum.of(specs, [-half] * inputs, [1 << bits] * inputs, 2, np.arange(outputs) / 8)


def bits(seed: int, tables: int, fan_in: int, outputs: int, size: int = 8) -> TableSum:
    """Tables of 0 and 1 on bits, counted in groups: a weightless network's last layer."""
    rng = np.random.default_rng(seed)
    specs = [
        TableSpec(rng.choice(size, fan_in, False), t * outputs // tables,
                  rng.integers(0, 2, (2,) * fan_in))
        for t in range(tables)
    ]  # fmt: skip
    return TableSum.of(specs, [0] * size, [2] * size, 0, np.zeros(outputs))


KNOWN = (np.arange(8) == 2) | (np.arange(8) == 3)
HOLES = TableSum.of(
    [
        TableSpec((0,), 0, np.where(KNOWN, [1, 2, 3.5, -2, 5, 6, 7, 8], np.nan)),
        TableSpec((0, 1), 1, np.where(KNOWN[:, None] & KNOWN, np.eye(8) * 3 - 1, np.nan)),
    ],
    [-2, -2], [8, 8], [0, 0], [0.0, -1.0],
)  # fmt: skip
RELATED = np.rint(20 * np.sin(np.arange(64) / 9))

CASES = [
    Case("table_sum-edges", smooth(3, 5, 6), (uniform("fixed<6,4>", 5),)),
    Case("table_sum-wide-edges", smooth(2, 4, 7), (uniform("fixed<7,5>", 4),)),
    Case("table_sum-eight-bits", smooth(1, 3, 8), (uniform("fixed<8,6>", 3),)),
    Case("table_sum-many-edges", smooth(1, 14, 6), (uniform("fixed<6,4>", 14),)),
    Case("table_sum-rows", smooth(2, 2, 4), (uniform("fixed<4,2>", 3, 2),)),
    Case(
        "table_sum-narrower",
        smooth(2, 3, 6),
        (Intervals.of([-7, 3, -1], [9, 20, 1], [2, 2, 1]),),
    ),
    Case(
        "table_sum-mixed",
        drawn(1, [((0, 1), 0), ((2,), 0), ((1, 3), 1), ((0, 2, 3), 1)], [-2] * 4, [6] * 4, 2),
        (Intervals.of([0, -2, 0, -1], [3, 2, 1, 1], 0),),
    ),
    Case(
        "table_sum-few-bits",
        drawn(2, [((i,), 0) for i in range(6)], [0] * 6, [8] * 6, 1, 9, 1.0),
        (uniform("ufixed<3,3>", 6),),
    ),
    Case(
        "table_sum-same-element",
        drawn(3, [((0, 0), 0), ((0,), 0), ((1, 0), 1), ((0, 1), 1)], [-2, -2], [6, 6], 2),
        (Intervals.of([-2, 0], [1, 3], 0),),
    ),
    Case("table_sum-holes", HOLES, (Intervals.of([1, 0], [1, 0], 0),)),
    Case("table_sum-holes-part", HOLES, (Intervals.of([0, 1], [1, 1], 0),)),
    Case(
        "table_sum-constant",
        drawn(4, [((0,), 0), ((1,), 0), ((0, 2), 1)], [-4] * 3, [8] * 3, 2),
        (Intervals.of([2, -3, 0], [2, -3, 1], 0),),
    ),
    Case(
        "table_sum-dead",
        TableSum.of([TableSpec((0,), 1, np.full(4, 2.5))], [0, 0], [4, 4], 0, [0.0, 0.25, -3.0]),
        (uniform("ufixed<2,2>", 2),),
    ),
    Case(
        "table_sum-related",
        TableSum.of(
            [
                TableSpec((0,), 0, RELATED), TableSpec((0,), 1, RELATED + 7),
                TableSpec((0,), 2, -RELATED), TableSpec((1,), 0, RELATED[::-1]),
                TableSpec((1,), 1, 2 * RELATED),
            ],
            [0, 0], [64, 64], 0, np.zeros(3),
        ),
        (uniform("ufixed<6,6>", 2),),
    ),
    Case("table_sum-coarse", smooth(2, 2, 5), (Intervals.of([-2, -4], [1, 3], 0),)),
    Case("table_sum-far", drawn(5, [((0, 1), 0)], [70000, 70000], [6, 6], 1),
         (Intervals.of([70000, 70001], [70005, 70004], 0),)),
    *(
        Case(f"table_sum-bits-{k}", bits(k, 12, k, 2), (uniform("ufixed<1,1>", 8),))
        for k in (2, 3, 4, 6)
    ),
    Case("table_sum-count", bits(9, 40, 6, 2, 12), (uniform("ufixed<1,1>", 12),)),
]  # fmt: skip
