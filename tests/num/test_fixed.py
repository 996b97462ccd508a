"""Formats: their text, their limits, the narrowest that holds a range."""

from __future__ import annotations

import pytest
from exact import ends
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import FormatError
from gatewright.num import Fixed, Overflow

FORMATS = st.builds(Fixed, st.booleans(), st.integers(0, 62), st.integers(-70, 130))


@given(FORMATS)
def test_text_round_trip(fmt):
    assert Fixed.parse(str(fmt)) == fmt
    assert Fixed.parse(f" ap_{fmt} ") == fmt
    assert fmt.integer == fmt.width - fmt.frac


@given(FORMATS)
def test_limits(fmt):
    assert (fmt.low, fmt.high) == ends(fmt.signed, fmt.width, Overflow.SAT)


@given(st.integers(-(2**61), 2**61 - 1), st.integers(0, 2**62), st.integers(-9, 9))
def test_holding_is_the_narrowest(low, span, frac):
    high = min(low + span, 2**62 - 1 if low >= 0 else 2**61 - 1)
    fmt = Fixed.holding(low, high, frac)
    assert fmt.low <= low <= high <= fmt.high
    assert fmt.frac == frac
    if fmt.width:
        less = Fixed(fmt.signed, fmt.width - 1, frac)
        assert not less.low <= low <= high <= less.high
    if fmt.signed:
        assert low < 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fixed<8,4>", Fixed(True, 8, 4)),
        ("ufixed<8,4>", Fixed(False, 8, 4)),
        ("ap_fixed< 6 , -2 >", Fixed(True, 6, 8)),
        ("ap_ufixed<4,9>", Fixed(False, 4, -5)),
        ("int<8>", Fixed(True, 8, 0)),
        ("ap_uint<1>", Fixed(False, 1, 0)),
        ("ufixed<0,0>", Fixed(False, 0, 0)),
    ],
)
def test_parse(text, wanted):
    assert Fixed.parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "8", "fixed<8>", "int<8,4>", "float<8,4>", "fixed<8,4", "fixed<8.5,4>", "fixed<8,4,3>",
     "fixed<" + "9" * 5000 + ",1>", "fixed<8,\u0664>"],
)  # fmt: skip
def test_parse_wrong(text):
    with pytest.raises(FormatError) as error:
        Fixed.parse(text)
    assert str(error.value).startswith("a number format cannot be read\n  found: ")
    assert "supported: fixed<W,I>, ufixed<W,I>, int<W>, uint<W>" in str(error.value)


@pytest.mark.parametrize("text", ["fixed<8,2000>", "fixed<8,-2000>"])
def test_parse_point_wrong(text):
    with pytest.raises(FormatError, match="binary point out of bounds") as error:
        Fixed.parse(text)
    assert text in str(error.value)


@pytest.mark.parametrize("width", [-1, 63, 10**6])
def test_width_wrong(width):
    for make in (lambda: Fixed(True, width, 0), lambda: Fixed.parse(f"fixed<{width},3>")):
        with pytest.raises(FormatError) as error:
            make()
        assert str(error.value) == (
            "a format has an impossible width\n"
            f"  found:     {width} bits\n"
            "  supported: 0 to 62 bits"
        )
