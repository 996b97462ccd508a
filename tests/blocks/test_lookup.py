"""Tables: every number has its own answer, and there is a limit to how many."""

from __future__ import annotations

import numpy as np
import pytest
from block_runs import build, everything, run

from gatewright.base import UnsupportedError
from gatewright.blocks.lookup import codes_of, lookup
from gatewright.hw import Kind


def cube(q):
    return q**3 - 5


def remainder(q):
    return q % 97


@pytest.mark.parametrize(
    "rng",
    [(-8, 7, 2), (0, 15, 0), (-3, 9, 1), (5, 12, -1), (-20, -11, 0), (0, 1, 0), (-1, 0, 0),
     (7, 7, 0), (1 << 50, (1 << 50) + 9, 3), (-(1 << 50), -(1 << 50) + 9, 3)],
)  # fmt: skip
def test_every_number_has_its_answer(rng):
    function = remainder if abs(rng[0]) > 1000 else cube
    m = build([rng], lambda m, a: lookup(m, a, function, 3))
    q = everything([rng])
    answers = function(q[:, 0])
    assert [row[0] * 8 for row in run(m, q)] == answers.tolist()
    (y,) = m.outputs["y"]
    assert (m.lo[y], m.hi[y]) == (answers.min(), answers.max()) or len(set(answers.tolist())) == 1
    assert sum(t.depth for t in m.tables) <= 64


def test_the_largest_table():
    rng = (-(1 << 15), (1 << 15) - 1, 4)
    m = build([rng], lambda m, a: lookup(m, a, lambda q: q // 7, 0))
    assert m.tables[0].depth == 1 << 16
    assert [row[0] for row in run(m, np.asarray([[-32768], [0], [32767]]))] == [-4682, 0, 4681]


def test_a_range_off_center_is_addressed_from_its_start():
    rng = (-1, (1 << 16) - 2, 0)
    m = build([rng], lambda m, a: lookup(m, a, lambda q: q // 7, 0))
    assert m.tables[0].depth == 1 << 16
    assert Kind.SUB in m.kind
    assert [row[0] for row in run(m, np.asarray([[-1], [0], [65534]]))] == [-1, 0, 9362]


def test_too_many_numbers_wrong():
    with pytest.raises(UnsupportedError) as error:
        codes_of(0, 1 << 16)
    assert str(error.value) == (
        "a function of one value would need too large a table\n"
        "  found:     65537 possible inputs\n"
        "  supported: up to 2**16\n"
        "  remedy:    quantize the input of this layer to fewer bits"
    )
    assert len(codes_of(1, 1 << 16)) == 1 << 16
    with pytest.raises(UnsupportedError, match=str(2**61 + 1)):
        build([(0, 1 << 61, 0)], lambda m, a: lookup(m, a, cube, 0))
