"""What a user asks for, read and refused."""

from __future__ import annotations

import pytest

from gatewright.base import OptionError
from gatewright.flow.options import Options, parse_clock


@pytest.mark.parametrize(
    ("clock", "mhz"),
    [
        ("400 MHz", 400), ("400mhz", 400), (" 2.5 ns ", 400), ("0.4GHz", 400), ("2500 ps", 400),
        ("40000 kHz", 40), (320, 320), (40.079, 40.079), ("1e2", 100), ("1", 1), ("1500", 1500),
    ],
)  # fmt: skip
def test_clocks(clock, mhz):
    assert parse_clock(clock) == pytest.approx(mhz)


@pytest.mark.parametrize(
    "clock",
    ["", "fast", "0", "0 ns", "-5", "4.0.0 MHz", "400 Hz", "nan", "inf", "400 MHz x", "None"],
)
def test_clocks_that_cannot_be_read_wrong(clock):
    with pytest.raises(OptionError) as error:
        parse_clock(clock)
    assert str(error.value) == (
        "the clock cannot be read\n"
        f"  found:     {clock}\n"
        "  supported: a clock such as `400 MHz` or `2.5 ns`"
    )


@pytest.mark.parametrize("clock", ["3 GHz", "0.1 ns", "0.5", "2000 ns", "1e400", "1e-300 ns"])
def test_impossible_clocks_wrong(clock):
    with pytest.raises(OptionError, match="the clock is impossible") as error:
        parse_clock(clock)
    assert "supported: 1 to 1500 MHz" in str(error.value)
    assert clock in str(error.value)


def test_options():
    options = Options.of("250 MHz", "xc7z020", 4)
    assert (options.clock_mhz, options.clock_ns) == (250, 4)
    assert (options.device.name, options.reuse) == ("xc7z020", 4)
    assert Options.of().reuse is None
    with pytest.raises(OptionError, match="not known"):
        Options.of(device="abacus")
