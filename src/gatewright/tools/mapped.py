"""Read a netlist of Xilinx primitives: how long its longest path is, what its carry chains take.

Yosys counts a LUT where logic is; a position of a carry chain whose S pin is a plain signal has
none, and nowhere an inverter. In silicon that pin comes from the LUT of the same position, so the
LUT is taken all the same (UG574, "CLB carry logic"), and an inverter that no LUT absorbs is one:
`hidden_luts` counts those, and `lut + hidden_luts` is what a device fills. Paths are timed by the
constants of a `DelayModel`, the same for everybody's netlist; wires longer than the model's average
are not seen, because nothing is placed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.base.errors import ToolError
from gatewright.passes.netlist import DelayModel
from gatewright.tools.yosys_counts import LUTS, REGISTERS, SRL, WIDE

CHAIN = {"CARRY4": 4, "CARRY8": 8}
STARTS = {*REGISTERS, *SRL}
WIRES = {"INV", "BUF", "IBUF", "OBUF"}
"""Cells without a delay of their own: a LUT absorbs an inverter."""

Bit = int
Connections = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Path:
    """The longest path between registers or ports.

    Attributes:
        nanoseconds: the least period, registers included.
        luts, carry_bits, chains: what lies on the path.
    """

    nanoseconds: float
    luts: int
    chains: int
    carry_bits: int


@dataclass(frozen=True)
class _Arrival:
    """Time at which a bit settles, and what is on the way."""

    time: float = 0.0
    luts: int = 0
    chains: int = 0
    bits: int = 0

    def after(self, time: float, luts: int = 0, chains: int = 0, bits: int = 0) -> _Arrival:
        return _Arrival(self.time + time, self.luts + luts, self.chains + chains, self.bits + bits)


_START = _Arrival()


class Mapped:
    """A flat netlist as `write_json` of Yosys gives it.

    Args:
        design: the parsed JSON.
        top: the module to read.

    Raises:
        ToolError: the netlist is not flat, or holds a primitive without a delay model.
    """

    def __init__(self, design: Mapping[str, Any], top: str) -> None:
        self.cells: list[tuple[str, Connections]] = [
            (cell["type"].removesuffix("_1"), cell["connections"])
            for cell in design["modules"][top]["cells"].values()
            if not cell["type"].startswith("$")
        ]
        ports = design["modules"][top].get("ports", {}).values()
        self.outputs = [b for port in ports if port["direction"] != "input" for b in port["bits"]]
        known = {*LUTS, *WIDE, *CHAIN, *STARTS, *WIRES}
        other = sorted({kind for kind, _ in self.cells} - known)
        if other:
            raise ToolError(
                "the netlist holds cells whose delay is not modelled",
                found=", ".join(other),
                supported="LUTs, carry chains, wide multiplexers, registers",
                remedy="synthesise flat, without DSP and memory blocks",
            )

    @property
    def hidden_luts(self) -> int:
        """LUTs that silicon takes and Yosys does not count.

        A position of a carry chain whose S pin no LUT drives takes its own LUT as a route, or as
        an inverter. An inverter in front of a register or a port is a LUT; one in front of a LUT,
        or of DI, is part of that LUT.
        """
        logic = {bit for kind, pins in self.cells if kind in LUTS for bit in pins["O"]}
        inverted = {bit for kind, pins in self.cells if kind == "INV" for bit in pins["O"]}
        routes = sum(
            isinstance(bit, int) and bit not in logic
            for kind, pins in self.cells
            if kind in CHAIN
            for bit in pins["S"]
        )
        kept = {bit for kind, pins in self.cells if kind in STARTS for bit in pins["D"]}
        return routes + len(inverted & (kept | set(self.outputs)))

    def longest(self, model: DelayModel) -> Path:
        """Return the longest path under a delay model."""
        arrivals: dict[Bit, _Arrival] = {}
        for kind, pins in self._in_order():
            if kind in CHAIN:
                _chain(CHAIN[kind], pins, arrivals, model, self._logic)
            else:
                latest = _latest(_inputs(kind, pins), arrivals)
                step = _step(kind, model)
                arrivals[pins["O"][0]] = latest.after(step, luts=kind in LUTS)
        ends = [bit for kind, pins in self.cells if kind in STARTS for bit in _inputs(kind, pins)]
        worst = _latest(ends + self.outputs, arrivals)
        return Path(worst.time + model.register, worst.luts, worst.chains, worst.bits)

    def _in_order(self) -> Iterator[tuple[str, Connections]]:
        """Yield the combinational cells, those that drive others first."""
        self._logic = {bit for kind, pins in self.cells if kind in LUTS for bit in pins["O"]}
        cells = [(kind, pins) for kind, pins in self.cells if kind not in STARTS]
        driver: dict[Bit, int] = {}
        for number, (kind, pins) in enumerate(cells):
            for port in ("O", "CO") if kind in CHAIN else ("O",):
                driver.update((bit, number) for bit in pins.get(port, ()) if isinstance(bit, int))
        readers: list[list[int]] = [[] for _ in cells]
        missing = [0] * len(cells)
        for number, (kind, pins) in enumerate(cells):
            sources = {driver[bit] for bit in _inputs(kind, pins) if bit in driver}
            missing[number] = len(sources)
            for source in sources:
                readers[source].append(number)
        ready = [number for number, count in enumerate(missing) if not count]
        done = 0
        while ready:
            number = ready.pop()
            done += 1
            yield cells[number]
            for reader in readers[number]:
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
        if done < len(cells):
            raise ToolError(
                "the netlist has a combinational loop", found=f"{len(cells) - done} cells"
            )


def _inputs(kind: str, pins: Connections) -> list[Any]:
    outputs = ("O", "CO") if kind in CHAIN else ("O", "Q", "Q31")
    return [bit for port, bits in pins.items() if port not in outputs for bit in bits]


def _latest(bits: list[Any], arrivals: Mapping[Bit, _Arrival]) -> _Arrival:
    return max((arrivals.get(bit, _START) for bit in bits), key=lambda a: a.time, default=_START)


def _step(kind: str, model: DelayModel) -> float:
    if kind in LUTS:
        return model.lut
    return model.mux if kind in WIDE else 0.0


def _chain(
    positions: int, pins: Connections, arrivals: dict[Bit, _Arrival], model: DelayModel,
    logic: set[Bit],
) -> None:  # fmt: skip
    """Time a carry primitive; the carry itself is a net between primitives of one chain.

    `model.carry` holds one LUT, the one in front of S: where nothing but a wire is in front, that
    position's LUT passes the signal on and takes its time.
    """
    enter = model.carry - model.lut
    start = [arrivals.get(bit, _START) for bit in (*pins.get("CI", []), *pins.get("CYINIT", []))]
    carry = max(start, key=lambda a: a.time, default=_START)
    for k in range(positions):
        s, di = pins["S"][k], pins["DI"][k]
        operand = arrivals.get(s, _START)
        if isinstance(s, int):
            through = s not in logic
            operand = operand.after(enter + (model.lut if through else 0.0), through, 1)
        data = arrivals.get(di, _START)
        if isinstance(di, int):
            data = data.after(enter, 0, 1)
        total = max((carry, operand), key=lambda a: a.time)
        if k < len(pins["O"]) and isinstance(pins["O"][k], int):
            arrivals[pins["O"][k]] = total
        carry = max((carry, operand, data), key=lambda a: a.time).after(model.carry_bit, bits=1)
        if k < len(pins["CO"]) and isinstance(pins["CO"][k], int):
            arrivals[pins["CO"][k]] = carry
