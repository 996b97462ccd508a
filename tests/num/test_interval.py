"""Ranges: sound (no value outside) and tight (both ends are reached)."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from exact import contained, power, rounded
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.num import Fixed, Intervals, Overflow, Rounding, bit_length, dyadic

MODES = st.sampled_from(list(Rounding))
POINTS = st.integers(-5, 8)


@st.composite
def ranges(draw, most=40, span=30, points=POINTS):
    lo = draw(st.integers(-most, most))
    return lo, lo + draw(st.integers(0, span)), draw(points)


def one(rng) -> Intervals:
    return Intervals.of(*rng)


def numbers(rng) -> list[Fraction]:
    lo, hi, frac = rng
    return [v * power(frac) for v in range(lo, hi + 1)]


def is_hull(found: Intervals, values: list[Fraction]) -> None:
    """Every value is on the grid and inside, and both ends are values."""
    lo, hi, frac = (int(v) for v in (found.lo, found.hi, found.frac))
    units = [v / power(frac) for v in values]
    assert all(u.denominator == 1 for u in units), "a value is off the grid"
    assert (min(units), max(units)) == (lo, hi)


OPERATIONS = {
    "add": (lambda a, b: a + b, lambda x, y: x + y),
    "sub": (lambda a, b: a - b, lambda x, y: x - y),
    "mul": (lambda a, b: a * b, lambda x, y: x * y),
    "minimum": (lambda a, b: a.minimum(b), min),
    "maximum": (lambda a, b: a.maximum(b), max),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(ranges(12, 9), ranges(12, 9))
def test_arithmetic_is_sound_and_tight(name, a, b):
    of_ranges, of_numbers = OPERATIONS[name]
    pairs = itertools.product(numbers(a), numbers(b))
    is_hull(of_ranges(one(a), one(b)), [of_numbers(x, y) for x, y in pairs])


@given(ranges(), ranges())
def test_union_and_negation(a, b):
    is_hull(one(a).union(one(b)), numbers(a) + numbers(b))
    is_hull(-one(a), [-x for x in numbers(a)])


@given(
    ranges(200, 120, st.integers(-3, 6)), st.booleans(), st.integers(0, 8), st.integers(-4, 7),
    MODES, st.sampled_from(list(Overflow)),
)  # fmt: skip
@example((3, 20, 0), True, 5, 0, Rounding.TRN, Overflow.SAT_ZERO)
def test_quantize(rng, signed, width, frac, mode, over):
    found = one(rng).quantize(np.asarray(signed), np.asarray(width), np.asarray(frac), mode, over)
    q = [rounded(x / power(frac), mode) for x in numbers(rng)]
    values = [contained(v, signed, width, over) for v in q]
    lo, hi = int(found.lo), int(found.hi)
    assert int(found.frac) == frac
    assert lo <= min(values) <= max(values) <= hi
    fits = values == q
    if over in (Overflow.SAT, Overflow.SAT_SYM) or fits or len(set(q)) == 1:
        assert (lo, hi) == (min(values), max(values))
    fmt = Fixed(signed, width, frac)
    assert fmt.low <= lo <= hi <= fmt.high


@given(st.lists(ranges(2**40, 2**40), min_size=1, max_size=6))
def test_formats_are_the_narrowest(rows):
    kind = Intervals.of(*np.asarray(rows).T)
    wanted = [Fixed.holding(*row) for row in rows]
    assert kind.formats() == wanted
    assert kind.width.tolist() == [fmt.width for fmt in wanted]
    assert kind.signed.tolist() == [row[0] < 0 for row in rows]
    assert [kind.fixed(i) for i in range(len(rows))] == wanted
    assert kind.low_value.tolist() == [float(row[0] * power(row[2])) for row in rows]
    assert kind.high_value.tolist() == [float(row[1] * power(row[2])) for row in rows]


@pytest.mark.parametrize("fmt", [Fixed(True, 62, 3), Fixed(False, 62, -3), Fixed(True, 0, 0)])
def test_the_widest_formats_are_types(fmt):
    kind = Intervals.format(fmt, (2, 3))
    assert kind.shape == (2, 3)
    assert kind.size == 6
    assert kind.fixed(1, 2) == Fixed.holding(fmt.low, fmt.high, fmt.frac)
    assert kind.contains(np.full((2, 3), fmt.low)).all()


@pytest.mark.parametrize(
    ("lo", "hi"),
    [(0, 2**62), (-(2**61) - 1, 0), (-1, 2**61), (-(2**63), 0), (-(2**63), 2**63 - 1),
     (2**63 - 1, 2**63 - 1)],
)  # fmt: skip
def test_too_wide_wrong(lo, hi):
    with pytest.raises(FormatError) as error:
        Intervals.of([0, lo], [1, hi], 0)
    assert str(error.value) == (
        "an exact value would not fit the widest integers we compute with\n"
        f"  found:     range {lo}..{hi}\n"
        "  supported: 62 bits, sign included\n"
        "  remedy:    quantize the layer's inputs or weights to fewer bits"
    )


@pytest.mark.parametrize(
    "compute",
    [
        lambda a: a + a,
        lambda a: a - (-a),
        lambda a: a * Intervals.of(2, 2, 0),
        lambda a: a + Intervals.of(1, 1, 1),
        lambda a: a.union(Intervals.of(0, 0, 5)),
    ],
)
def test_arithmetic_past_62_bits_wrong(compute):
    with pytest.raises(FormatError, match="would not fit"):
        compute(Intervals.of(0, 2**62 - 1, 0))


def test_an_empty_interval_is_a_defect():
    with pytest.raises(AssertionError, match="empty"):
        Intervals.of(1, 0, 0)


def test_elements_move_together():
    kind = Intervals.of([[1, 2], [3, 4]], [[5, 6], [7, 8]], [[0, 1], [2, 3]]).map(np.transpose)
    assert (kind.lo.tolist(), kind.hi.tolist()) == ([[1, 3], [2, 4]], [[5, 7], [6, 8]])
    assert kind.frac.tolist() == [[0, 2], [1, 3]]


@given(st.integers(0, 2**63 - 1) | st.integers(0, 63).map(lambda n: (1 << n) - 1))
@example(2**63 - 1)
@example(2**53 - 1)
@example(2**54 - 1)
def test_bit_length(q):
    assert int(bit_length(np.asarray(q))) == q.bit_length()


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(1.7976931348623157e308)
@example(-0.0)
def test_dyadic_splits_exactly(x):
    q, frac = (int(v) for v in dyadic(x))
    assert q * power(frac) == Fraction(x)
    assert q % 2 == 1 or (q, frac) == (0, 0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_constants_are_points_on_their_own_grids(values):
    kind = Intervals.constant(np.asarray(values))
    assert kind.low_value.tolist() == kind.high_value.tolist() == values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_dyadic_wrong(value):
    with pytest.raises(FormatError) as error:
        dyadic([[1.0, value, 2.0]])
    assert str(error.value) == (
        "a constant is not a finite number\n"
        "  found:     1 of 3 values\n"
        "  supported: finite numbers\n"
        "  remedy:    look for NaN or infinite weights in the model"
    )
