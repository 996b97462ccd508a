"""Rounding and overflow against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact import contained, ends, power, rounded
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.num import Overflow, Rounding, limits, overflow, require_exact, round_shift
from gatewright.ops.quantize import overflow_real, round_real
from gatewright.ops.scaled_quantize import round_fraction

WIDE = st.integers(-(2**62) + 1, 2**62 - 1) | st.integers(-40, 40)
MODES = st.sampled_from(list(Rounding))


@pytest.mark.parametrize("mode", Rounding)
def test_every_mode_on_small_numbers(mode):
    q = np.arange(-70, 71)
    for shift in range(8):
        wanted = [rounded(Fraction(v, 2**shift), mode) for v in q.tolist()]
        assert round_shift(q, shift, mode).tolist() == wanted


@given(WIDE, st.integers(0, 200), MODES)
@example(2**61 + 1, 63, Rounding.RND)  # a quarter and a bit: the 62 bits kept look like a half
@example(-(2**61) - 1, 63, Rounding.RND_INF)
@example(2**61, 62, Rounding.RND_CONV)
@example(-(2**62), 63, Rounding.RND_INF)
@example(-1, 10**9, Rounding.AWAY)
def test_round_shift_drops_bits_exactly(q, shift, mode):
    wanted = rounded(Fraction(q, 2 ** min(shift, 300)), mode)
    assert int(round_shift(np.asarray(q), shift, mode)) == wanted


@given(WIDE, st.integers(1, 70), MODES)
def test_round_shift_multiplies_exactly_or_refuses(q, shift, mode):
    if abs(q) << shift < 2**62:
        assert int(round_shift(np.asarray(q), -shift, mode)) == q << shift
    else:
        with pytest.raises(FormatError, match="would not fit"):
            round_shift(np.asarray(q), -shift, mode)


def test_round_shift_takes_a_shift_per_element():
    q = np.asarray([[5, -5, 3], [7, -7, 2**61]])
    found = round_shift(q, np.asarray([1, -2, 80]), Rounding.RND)
    assert found.tolist() == [[3, -20, 0], [4, -28, 0]]


def test_zero_may_go_any_distance():
    assert int(round_shift(np.asarray(0), -(10**6), Rounding.TRN)) == 0


def test_a_shift_leaves_its_input_alone():
    q = np.asarray([3, 5])
    round_shift(q, 0, Rounding.TRN)[:] = 0
    assert q.tolist() == [3, 5]


@given(st.integers(-(2**52), 2**52), st.integers(0, 60), MODES)
def test_the_three_definitions_of_a_mode_agree(q, shift, mode):
    x = Fraction(q, 2**shift)
    wanted = int(round_shift(np.asarray(q), shift, mode))
    assert round_fraction(x, mode) == wanted
    assert int(round_real(np.asarray(float(x)), mode)) == wanted


@given(
    WIDE, st.booleans(), st.integers(0, 61), st.sampled_from(list(Overflow))
)  # fmt: skip
def test_overflow(q, signed, width, mode):
    found = overflow(np.asarray(q), np.asarray(signed), np.asarray(width), mode)
    assert int(found) == contained(q, signed, width, mode)


@given(
    st.integers(-(2**50), 2**50), st.booleans(), st.integers(0, 50),
    st.sampled_from(list(Overflow)),
)  # fmt: skip
def test_overflow_of_floats_agrees(q, signed, width, mode):
    low, high = (np.asarray(float(v)) for v in ends(signed, width, mode))
    found = overflow_real(np.asarray(float(q)), low, high, mode)
    assert int(found) == contained(q, signed, width, mode)


@given(st.integers(-(2**53), 2**53), st.integers(0, 8), st.integers(54, 62))
def test_wrapping_floats_in_wide_formats_loses_nothing(q, up, width):
    """A number that the format holds stays, and one span more or less comes back to it."""
    q <<= up
    low, high = (np.asarray(float(v)) for v in ends(True, width, Overflow.WRAP))
    wanted = contained(q, True, width, Overflow.WRAP)
    if int(float(wanted)) == wanted:
        assert int(overflow_real(np.asarray(float(q)), low, high, Overflow.WRAP)) == wanted


@given(st.booleans(), st.integers(0, 62), st.sampled_from(list(Overflow)))
def test_limits(signed, width, mode):
    low, high = limits(np.asarray(signed), np.asarray(width), mode)
    assert (int(low), int(high)) == ends(signed, width, mode)


@given(
    st.lists(st.tuples(WIDE, st.integers(0, 80), st.integers(0, 61), st.booleans()), min_size=1),
    MODES, st.sampled_from(list(Overflow)),
)  # fmt: skip
def test_elements_do_not_disturb_each_other(rows, mode, over):
    q, shift, width, signed = (np.asarray(column) for column in zip(*rows, strict=True))
    found = overflow(round_shift(q, shift, mode), signed, width, over)
    wanted = [
        contained(rounded(Fraction(v) * power(s), mode), sign, w, over) for v, s, w, sign in rows
    ]
    assert found.tolist() == wanted


def test_limits_wrong():
    with pytest.raises(FormatError) as error:
        limits(np.asarray([True, True]), np.asarray([8, 63]), Overflow.SAT)
    assert str(error.value) == (
        "a format is wider than we compute with\n"
        "  found:     63 bits\n"
        "  supported: 62 bits"
    )  # fmt: skip


@pytest.mark.parametrize("magnitude", [2.0**62, np.inf, np.nan])
def test_require_exact_wrong(magnitude):
    with pytest.raises(FormatError) as error:
        require_exact(np.asarray([1.0, magnitude]))
    assert str(error.value) == (
        "an exact value would not fit the widest integers we compute with\n"
        f"  found:     magnitude {magnitude:.3g}\n"
        "  supported: less than 2**62\n"
        "  remedy:    quantize the layer's inputs or weights to fewer bits"
    )


def test_require_exact_lets_pass_what_fits():
    require_exact(np.asarray([]))
    require_exact(np.asarray([np.nextafter(2.0**62, 0)]))
