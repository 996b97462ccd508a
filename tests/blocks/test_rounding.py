"""Every rounding and overflow mode in cells, on every number of many narrow formats."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from block_runs import build, everything, is_tight, run
from exact import contained, rounded

from gatewright.blocks.rounding import overflow_to, quantize, round_to
from gatewright.hw import Kind
from gatewright.num import Fixed, Intervals, Overflow, Rounding

SOURCES = [
    (-16, 15, 3), (0, 15, 3), (-5, 9, 2), (3, 12, 3), (-12, -3, 3), (-1, 0, 4), (0, 1, 5),
    (-16, 15, -1), (-7, 7, 0), (5, 5, 3),
]  # fmt: skip


@pytest.mark.parametrize("mode", Rounding)
def test_round_to_every_grid(mode):
    for lo, hi, frac in SOURCES:
        for to in range(-3, 6):
            m = build([(lo, hi, frac)], lambda m, a, to=to: round_to(m, a, to, mode))
            unit = Fraction(2) ** -to
            q = [v * Fraction(2) ** -frac / unit for v in range(lo, hi + 1)]
            wanted = [rounded(v, mode) * unit if to < frac else v * unit for v in q]
            found = run(m, everything([(lo, hi, frac)]))
            assert [row[0] for row in found] == wanted, (lo, hi, frac, to)


TARGETS = [Fixed(s, w, f) for s in (True, False) for w in (0, 1, 3, 4) for f in (-3, -1, 0, 2, 5)]


@pytest.mark.parametrize("over", Overflow)
@pytest.mark.parametrize("mode", [Rounding.TRN, Rounding.RND_CONV, Rounding.RND_ZERO])
def test_quantize_to_every_format(mode, over):
    """The numbers are right, and no wider than the type that is inferred for them."""
    for lo, hi, frac in SOURCES:
        for to in TARGETS:
            m = build([(lo, hi, frac)], lambda m, a, to=to: quantize(m, a, to, mode, over))
            unit = Fraction(2) ** -to.frac
            q = [rounded(v * Fraction(2) ** -frac / unit, mode) for v in range(lo, hi + 1)]
            wanted = [contained(v, to.signed, to.width, over) * unit for v in q]
            found = run(m, everything([(lo, hi, frac)]))
            assert [row[0] for row in found] == wanted, (lo, hi, frac, to)
            (y,) = m.outputs["y"]
            kind = Intervals.of(lo, hi, frac).quantize(
                np.asarray(to.signed), np.asarray(to.width), np.asarray(to.frac), mode, over
            )
            own = Fraction(2) ** -m.frac[y]
            assert kind.lo * unit <= m.lo[y] * own <= m.hi[y] * own <= kind.hi * unit


def test_what_always_rounds_to_one_number_is_a_constant():
    for frac, mode, wanted in [(90, Rounding.RND, 0), (90, Rounding.TRN, 0), (5, Rounding.CEIL, 1)]:
        m = build([(1, 15, frac)], lambda m, a, mode=mode: round_to(m, a, 0, mode))
        (y,) = m.outputs["y"]
        assert (m.kind[y], m.lo[y]) == (Kind.CONST, wanted)


def test_rounding_half_up_is_one_adder():
    m = build([(-128, 127, 4)], lambda m, a: round_to(m, a, 1, Rounding.RND))
    assert [Kind(k) for k in m.kind].count(Kind.ADD) == 1
    is_tight(m, run(m, everything([(-128, 127, 4)])))


def test_saturation_that_cannot_happen_costs_nothing():
    to = Fixed(True, 8, 2)
    for over in Overflow:
        m = build([(-60, 60, 2)], lambda m, a, over=over: overflow_to(m, a, to, over))
        assert m.outputs["y"] == m.inputs["x"]


def test_a_number_off_the_grid_is_a_defect():
    with pytest.raises(AssertionError, match="round before overflow"):
        build([(0, 7, 2)], lambda m, a: overflow_to(m, a, Fixed(True, 8, 1), Overflow.SAT))
