"""Around a design whose weights can be written: an AXI4-Lite slave for their bus, or none."""

from __future__ import annotations

from gatewright.base import OptionError
from gatewright.blocks.axi_lite import axi_lite
from gatewright.hw import Module
from gatewright.streams.registers import ADDRESS, BUS, DATA, WRITE


def axi_lite_weights(inner: Module, prefix: str = "s_axil") -> Module:
    """Return a module that holds `inner` and writes its weights by AXI4-Lite.

    The word at address `a` of the bus of weights stands at byte `4 * a`. Reading gives zero. All
    other ports are passed on. The name is `<inner>_axil`.

    Args:
        inner: with the ports `w_write`, `w_address` and `w_data`.
        prefix: of the slave's ports.

    Raises:
        OptionError: the module has no bus of weights.
    """
    m = _around(inner, "axil", "weights behind an AXI4-Lite slave; reading gives zero")
    (address,) = inner.inputs[ADDRESS]
    bus = axi_lite(m, inner.hi[address] + 1, prefix=prefix)
    bus.connect(m.constant(0))
    _connect(m, inner, (bus.write_enable, bus.write_address, bus.write_data))
    return m


def fixed_weights(inner: Module) -> Module:
    """Return a module that holds `inner` and leaves its weights as they are at power-up.

    The name is `<inner>_fixed`.

    Raises:
        OptionError: the module has no bus of weights.
    """
    m = _around(inner, "fixed", "weights as they are at power-up")
    _connect(m, inner, (m.constant(0), m.constant(0), m.constant(0)))
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


def _connect(m: Module, inner: Module, bus: tuple[int, int, int]) -> None:
    """Use the module inside; pass on what is not its bus of weights."""
    own = dict(zip((WRITE, ADDRESS, DATA), bus, strict=True))
    feeds = {
        port: [own[port]] if port in own else m.input(port, inner.intervals(signals))
        for port, signals in inner.inputs.items()
    }
    for port, signals in m.instance(inner, feeds).items():
        m.output(port, signals)
