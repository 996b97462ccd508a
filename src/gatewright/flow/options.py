"""What a user asks of a compilation, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from gatewright.arch import DEFAULT, Device, find_device
from gatewright.base import OptionError
from gatewright.hw import Module
from gatewright.passes.netlist import Clock, total_resources

SLOWEST, FASTEST = 1.0, 1500.0
"""Clocks in MHz that any supported part could be run at."""


def parse_clock(clock: str | float) -> float:
    """Return a clock in MHz from `400 MHz`, `400MHz`, `2.5 ns`, `0.4 GHz` or a number of MHz.

    Raises:
        OptionError: it cannot be read, or no supported part runs at it.
    """
    match = re.fullmatch(
        r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*(ghz|mhz|khz|ns|ps)?\s*", str(clock), re.I
    )
    supported = "a clock such as `400 MHz` or `2.5 ns`"
    try:
        number = float(match[1]) if match else 0.0
    except ValueError:
        number = 0.0
    if match is None or number <= 0:
        raise OptionError("the clock cannot be read", found=clock, supported=supported)
    unit = (match[2] or "mhz").lower()
    mhz = {
        "ghz": number * 1e3,
        "mhz": number,
        "khz": number / 1e3,
        "ns": 1e3 / number,
        "ps": 1e6 / number,
    }[unit]
    if not SLOWEST <= mhz <= FASTEST:
        raise OptionError(
            "the clock is impossible",
            found=f"{clock} ({mhz:g} MHz)",
            supported=f"{SLOWEST:g} to {FASTEST:g} MHz",
        )
    return mhz


def check_count(what: str, number: int | None, least: int | None = None) -> int | None:
    """Return a whole number (NumPy's too) as Python's, or None.

    Raises:
        OptionError: it is none, or below `least`.
    """
    if number is None:
        return None
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or (least is not None and number < least):
        supported = "a whole number" if least is None else f"whole numbers from {least}"
        raise OptionError(f"the {what} is impossible", found=repr(number), supported=supported)
    return int(number)


@dataclass(frozen=True)
class Options:
    """How to build.

    Attributes:
        clock_mhz: clock that registers are placed for.
        device: the part, for its delay model and resources.
        reuse: reuse factor of every layer that can be folded; None lets size decide.
        latency: cycles from input to answer; None takes the fewest that the clock allows.
    """

    clock_mhz: float
    device: Device
    reuse: int | None = None
    latency: int | None = None

    @classmethod
    def of(
        cls,
        clock: str | float = "200 MHz",
        device: str = DEFAULT,
        reuse: int | None = None,
        latency: int | None = None,
    ) -> Options:
        """Check what a user gave.

        Raises:
            OptionError: a clock or a device is not known, the reuse factor is no number, or the
                latency no number of cycles.
        """
        reuse = check_count("reuse factor", reuse)
        options = cls(parse_clock(clock), find_device(str(device)), reuse, latency)
        is_count = isinstance(latency, Integral) and not isinstance(latency, bool)
        if latency is not None and not (is_count and latency >= 0):
            raise OptionError(
                "the latency is no number of cycles",
                found=repr(latency),
                supported="a whole number of clock cycles, 0 or more",
                remedy=f"one cycle is {options.clock_ns:g} ns at this clock",
            )
        return options

    def clock_for(self, circuit: Module) -> Clock:
        """Return the clock, with the device's delays in a circuit of this one's size."""
        return Clock(self.clock_ns, self.device.delay.sized(total_resources(circuit).lut))

    @property
    def clock_ns(self) -> float:
        """Clock period."""
        return 1e3 / self.clock_mhz
