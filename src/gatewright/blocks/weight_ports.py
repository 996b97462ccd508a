"""Around a design whose weights can be written: an AXI4-Lite slave for their bus, or none."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.base import OptionError
from gatewright.blocks.axi_lite import axi_lite
from gatewright.hw import Module
from gatewright.streams.registers import (
    ADDRESS,
    ANSWER,
    BUS,
    DATA,
    KNOWN,
    LATENCY,
    READ,
    WRITE,
)

SLAVE = "s_axil"
"""What the ports of the slave begin with."""


def axi_lite_weights(inner: Module, prefix: str = SLAVE) -> Module:
    """Return a module that holds `inner`, whose weights AXI4-Lite writes and reads.

    The word at address `a` of the bus of weights stands at byte `4 * a`. An access to an address
    where no word is, and a read of one that cannot be read, is answered with SLVERR. All other
    ports are passed on. The name is `<inner>_axil`.

    Args:
        inner: with the ports of the bus of weights.
        prefix: of the slave's ports.

    Raises:
        OptionError: the module has no bus of weights.
    """
    m = _around(inner, "axil", "weights behind an AXI4-Lite slave")
    (address,) = inner.inputs[ADDRESS]
    bus = axi_lite(m, inner.hi[address] + 1, prefix=prefix, latency=LATENCY)
    feeds = {
        WRITE: bus.write_enable, READ: bus.read_enable, ADDRESS: bus.address, DATA: bus.write_data,
    }  # fmt: skip
    found = _connect(m, inner, feeds)
    bus.connect(found[ANSWER][0], found[KNOWN][0])
    return m


def fixed_weights(inner: Module) -> Module:
    """Return a module that holds `inner` and leaves its weights as they are at power-up.

    The name is `<inner>_fixed`.

    Raises:
        OptionError: the module has no bus of weights.
    """
    m = _around(inner, "fixed", "weights as they are at power-up")
    _connect(m, inner, dict.fromkeys(BUS, m.constant(0)))
    return m


def _around(inner: Module, end: str, note: str) -> Module:
    if not all(port in inner.inputs for port in BUS):
        raise OptionError(
            "a module without weights that can be written",
            place=f"module {inner.name!r}",
            supported=f"the ports {', '.join(BUS)}",
            remedy="plan a layer with `writable`",
        )
    return Module(f"{inner.name}_{end}", inner.origin, note, inner.latency, inner.interval)


def _connect(m: Module, inner: Module, bus: Mapping[str, int]) -> dict[str, list[int]]:
    """Use the module inside; pass on what is not its bus of weights, and return that."""
    feeds = {
        port: [bus[port]] if port in bus else m.input(port, inner.intervals(signals))
        for port, signals in inner.inputs.items()
    }
    found = m.instance(inner, feeds)
    for port, signals in found.items():
        if port not in (ANSWER, KNOWN):
            m.output(port, signals)
    return {port: found[port] for port in (ANSWER, KNOWN)}
