"""Plain `valid` ports around a module whose ports are streams: nobody can stall."""

from __future__ import annotations

from gatewright.base import OptionError
from gatewright.hw import Module, stream_names
from gatewright.num import Intervals

BIT = Intervals.of([0], [1], 0)
NOTE = (
    "free-running: a beat is taken in each cycle with its valid, and each result stands for one"
    " cycle. A sender that keeps the interval is always in time; a beat that came too early is"
    " lost, and NAME_overrun then stays 1 until reset: results before reset mean nothing any more."
)


def valid_ports(inner: Module) -> Module:
    """Return a module with `NAME_valid` and `NAME` for each stream of `inner`, and no `ready`.

    Receivers are always ready. A pin `NAME_overrun` for each input tells, from the cycle after it
    happened until reset, that a beat came while `inner` was not ready. Ports of `inner` that
    belong to no stream are passed on. The name is `<inner>_valid`.

    Raises `OptionError` for a module without an output stream.
    """
    names, ends = stream_names(inner)
    if not ends:
        raise OptionError("a module without an output stream", place=f"module {inner.name!r}")
    m = Module(f"{inner.name}_valid", inner.origin, NOTE, inner.latency, inner.interval)
    always = {f"{name}_ready" for name in ends}
    feeds = {
        port: [m.constant(1)] if port in always else m.input(port, inner.intervals(signals))
        for port, signals in inner.inputs.items()
    }
    found = m.instance(inner, feeds)
    for name in names:
        (ready,) = found.pop(f"{name}_ready")
        overrun = m.register((0, 1, 0), reset=0)
        m.label(overrun, f"{name}_lost")
        lost = m.and_(feeds[f"{name}_valid"][0], m.not_(ready))
        m.connect(overrun, m.or_(overrun, lost))
        m.output(f"{name}_overrun", [overrun])
    for port, signals in found.items():
        m.output(port, signals)
    return m
