"""What a user asks of a compilation, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from gatewright.arch import DEFAULT, Device, Limits, find_device
from gatewright.base import OptionError
from gatewright.hw import Module
from gatewright.passes.netlist import Clock, total_resources

PORTS = ("valid", "stream", "axi-stream")
"""How the design's ports take and give: see `Options.ports`."""

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


NANOSECONDS = {"ps": 1e-3, "ns": 1.0, "us": 1e3, "\u00b5s": 1e3, "\u03bcs": 1e3, "ms": 1e6}
"""Units of time, with both of the letters that are written for micro."""


def parse_latency(latency: int | str) -> tuple[float, str]:
    """Return a limit on the latency as a number and a unit, `cycles` or `ns`.

    Args:
        latency: a number of cycles, `12 cycles`, `100 ns`, `0.1 us`.

    Raises:
        OptionError: it is neither a number of cycles nor a time.
    """
    units = r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*(cycles?|ps|ns|us|\u00b5s|\u03bcs|ms)?\s*"
    match = None if isinstance(latency, bool) else re.fullmatch(units, str(latency), re.I | re.A)
    unit = ((match[2] if match else None) or "cycles").lower()
    try:
        number = float(match[1]) * NANOSECONDS.get(unit, 1.0) if match else -1.0
    except ValueError:
        number = -1.0
    whole = not unit.startswith("cycle") or number.is_integer()
    if number < 0 or not whole or not np.isfinite(number):
        raise OptionError(
            "the latency limit cannot be read",
            found=repr(latency),
            supported="a number of cycles such as 12, or a time such as `100 ns`",
        )
    return number, "cycles" if unit.startswith("cycle") else "ns"


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


def check_limit(what: str, limit: int | None, there: int, device: Device) -> int | None:
    """Return a limit on a resource.

    Raises:
        OptionError: it is no number, or more than the device has.
    """
    limit = check_count(f"number of {what}", limit, least=0)
    if limit is not None and limit > there:
        raise OptionError(
            f"the device has fewer {what} than the design may take",
            found=f"{limit:,}",
            supported=f"up to {there:,} in {device.name}",
            remedy="lower the limit, or choose a larger device",
        )
    return limit


def check_throughput(throughput: float | None) -> float | None:
    """Return events a second.

    Raises:
        OptionError: it is no number above 0.
    """
    if throughput is None:
        return None
    real = isinstance(throughput, int | float | np.number) and not isinstance(throughput, bool)
    if not real or not 0 < throughput < float("inf"):
        raise OptionError(
            "the throughput is impossible",
            found=repr(throughput),
            supported="events a second, a number above 0",
        )
    return float(throughput)


def check_ports(ports: str) -> str:
    """Return the kind of ports.

    Raises:
        OptionError: it is not known.
    """
    if ports not in PORTS:
        raise OptionError(
            "the kind of ports is not known", found=repr(ports), supported=", ".join(PORTS)
        )
    return ports


def check_stateful(stateful: bool | str | Sequence[str] | None) -> bool | tuple[str, ...] | None:
    """Return which recurrent layers keep their state from event to event.

    Raises:
        OptionError: it is neither a yes or no nor names of layers.
    """
    if stateful is None or isinstance(stateful, bool):
        return stateful
    names = (stateful,) if isinstance(stateful, str) else stateful
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise OptionError(
            "which layers keep their state cannot be read",
            found=repr(stateful),
            supported="True, False, or names of recurrent layers",
        )
    return tuple(names) or False


def check_varied(varied: bool) -> bool:
    """Return whether events vary in length.

    Raises:
        OptionError: it is no yes or no.
    """
    if not isinstance(varied, bool | np.bool_):
        raise OptionError(
            "whether events vary in length is a yes or no", found=repr(varied),
            supported="True, False",
        )  # fmt: skip
    return bool(varied)


def cycles_at(latency: str | None, clock_mhz: float) -> int | None:
    """Return a limit on the latency in whole cycles of a clock."""
    if latency is None:
        return None
    number, unit = parse_latency(latency)
    return int(number) if unit == "cycles" else int(number * clock_mhz * 1e-3 + 1e-9)


@dataclass(frozen=True)
class Options:
    """How to build.

    Attributes:
        clock_mhz: clock that registers are placed for.
        device: the part, for its delay model and resources.
        reuse: reuse factor of every layer that can be folded; None lets size decide.
        latency: cycles from input to answer; None takes the fewest that the clock allows.
        max_luts: most LUTs (estimated) that the design may take; None: what the device has.
        max_dsps: most DSP blocks that products may be put into; None: none.
        max_latency: longest latency, as cycles or as a time (`12 cycles`, `100 ns`); None: any.
        ii: most cycles between two events; above 1 the design works on streams.
        throughput: the same as events a second.
        max_brams: most block memories (of 36 Kbit) that the design may take; None: what the device
            has.
        ports: `valid`, without a way to make the design wait; `stream`, with `valid` and `ready`
            for every beat; `axi-stream`, the same as AXI4-Stream.
        stateful: recurrent layers that keep their state from event to event, True for all; None:
            those of which the model says so.
        event_steps: steps of an event where layers keep their state; None: those of the model.
        varied_length: an event may end before the model's last step; its rows tell.
    """

    clock_mhz: float
    device: Device
    reuse: int | None = None
    latency: int | None = None
    max_luts: int | None = None
    max_dsps: int | None = None
    max_latency: str | None = None
    ii: int | None = None
    throughput: float | None = None
    max_brams: int | None = None
    ports: str = "valid"
    stateful: bool | tuple[str, ...] | None = None
    event_steps: int | None = None
    varied_length: bool = False

    @classmethod
    def of(
        cls,
        clock: str | float = "200 MHz",
        device: str = DEFAULT,
        reuse: int | None = None,
        latency: int | None = None,
        max_luts: int | None = None,
        max_dsps: int | None = None,
        max_latency: int | str | None = None,
        ii: int | None = None,
        throughput: float | None = None,
        max_brams: int | None = None,
        ports: str = "valid",
        stateful: bool | str | Sequence[str] | None = None,
        event_steps: int | None = None,
        varied_length: bool = False,
    ) -> Options:
        """Check what a user gave.

        Raises:
            OptionError: a clock or a device is not known, the reuse factor is no number, the
                latency no number of cycles, a limit no number, or beyond what the device has; two
                options contradict each other.
        """
        reuse = check_count("reuse factor", reuse)
        part = find_device(str(device))
        luts = check_limit("LUTs", max_luts, part.lut, part)
        dsps = check_limit("DSP blocks", max_dsps, part.dsp, part)
        longest = None
        if max_latency is not None:
            number, unit = parse_latency(max_latency)
            exact = int(number) if number.is_integer() else number  # its text is read again
            longest = "1 cycle" if (number, unit) == (1, "cycles") else f"{exact!r} {unit}"
        is_count = isinstance(latency, Integral) and not isinstance(latency, bool)
        cycles = int(latency) if latency is not None and is_count else None
        brams = check_limit("block memories", max_brams, part.bram, part)
        options = cls(parse_clock(clock), part, reuse, cycles, luts, dsps, longest,
                      check_count("initiation interval (ii)", ii, least=1),
                      check_throughput(throughput), brams, check_ports(ports),
                      check_stateful(stateful),
                      check_count("number of steps of an event", event_steps, least=1),
                      check_varied(varied_length))  # fmt: skip
        options.check_streams()
        if latency is not None and (cycles is None or cycles < 0):
            raise OptionError(
                "the latency is no number of cycles",
                found=repr(latency),
                supported="a whole number of clock cycles, 0 or more",
                remedy=f"one cycle is {options.clock_ns:g} ns at this clock",
            )
        most = options.most_cycles
        if latency is not None and most is not None and latency > most:
            raise OptionError(
                "the latency asked for exceeds its limit",
                found=f"latency {latency} cycles, {latency * options.clock_ns:g} ns",
                supported=f"max_latency = {longest}, {most} cycles",
                remedy="leave one of the two out",
            )
        return options

    def check_streams(self) -> None:
        """Raise `OptionError` where options of streams contradict each other or the others."""
        if self.ii is not None and self.throughput is not None:
            raise OptionError(
                "the interval was given twice",
                found=f"ii = {self.ii}, throughput = {self.throughput:g} events/s",
                remedy="leave one of the two out",
            )
        if self.throughput is not None and self.throughput > self.clock_mhz * 1e6:
            raise OptionError(
                "the throughput is more than one event a clock cycle",
                found=f"{self.throughput:g} events/s at {self.clock_mhz:g} MHz",
                supported=f"up to {self.clock_mhz * 1e6:g} events/s",
                remedy="choose a faster clock, or share the events among several designs",
            )
        asked = [f"{name} = {value}" for name, value in (("reuse", self.reuse),
                 ("latency", self.latency)) if value is not None]  # fmt: skip
        if self.asks_for_streams and asked:
            raise OptionError(
                "options for designs without streams were given for one with streams",
                found=", ".join([*asked, *self._for_streams()]),
                supported="reuse and latency without ii, throughput, ports, stateful and "
                "varied_length, or these alone",
                remedy="leave out what you do not need",
            )

    def with_state_of(self, layers: tuple[str, ...], source: str) -> Options:
        """Return options that say which layers keep their state, where a user left it to the model.

        Args:
            layers: those of which the model says so.
            source: the model, for messages.

        Raises:
            OptionError: an option does not go with a state that is kept, or asks for one.
        """
        options = self
        if self.stateful is None:
            options = replace(self, stateful=layers or False)
        if self.event_steps is not None and not options.stateful:
            raise OptionError(
                "the steps of an event were given for a model that keeps no state",
                place=source,
                found=f"event_steps = {self.event_steps}",
                supported="stateful = True beside it: events are then parts of one sequence",
            )
        if self.event_steps is not None and self.varied_length:
            raise OptionError(
                "the steps of an event were given for events of varied length",
                place=source,
                found=f"event_steps = {self.event_steps}, varied_length = True",
                supported="one of them; an event of varied length has up to the model's steps",
            )
        options.check_streams()
        return options

    def _for_streams(self) -> list[str]:
        given = {"ii": self.ii, "throughput": self.throughput, "ports": self.ports,
                 "stateful": self.stateful or None,
                 "varied_length": self.varied_length or None}  # fmt: skip
        return [
            f"{name} = {value}" for name, value in given.items() if value not in (None, "valid")
        ]

    @property
    def interval(self) -> int | None:
        """The most cycles between events that were asked for."""
        if self.throughput is not None:
            return max(int(self.clock_mhz * 1e6 / self.throughput + 1e-9), 1)
        return self.ii

    @property
    def asks_for_streams(self) -> bool:
        """Whether these options alone make a design of streams."""
        state = bool(self.stateful) or self.varied_length
        return self.ports != "valid" or (self.interval or 1) > 1 or state

    @property
    def most_cycles(self) -> int | None:
        """The limit on the latency in cycles of this clock."""
        return cycles_at(self.max_latency, self.clock_mhz)

    @property
    def limits(self) -> Limits:
        """What the design may take."""
        luts = self.device.lut if self.max_luts is None else self.max_luts
        return Limits(
            luts, self.max_dsps or 0, self.most_cycles, self.max_luts is not None,
            self.max_latency or "",
        )  # fmt: skip

    def clock_for(self, circuit: Module) -> Clock:
        """Return the clock, with the device's delays in a circuit of this one's size."""
        return Clock(self.clock_ns, self.device.delay.sized(total_resources(circuit).lut))

    @property
    def clock_ns(self) -> float:
        """Clock period."""
        return 1e3 / self.clock_mhz
