"""Read a module's cells in order of computation, registers as delays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gatewright.flow.prove.affine import AFFINE, PASSING
from gatewright.flow.prove.forms import Gap
from gatewright.flow.prove.vectors import Bit, Signal, Vector
from gatewright.flow.prove.words import Reader
from gatewright.tools.yosys_netlist import UNDEFINED, NetCell, NetModule

REGISTER, MEMORY = "$dff", "$mem_v2"
CHOICES = ("$mux", "$pmux")
ANY = -1
"""Depth of a constant: it is there at any time."""


class Fault(Exception):  # noqa: N818 - it becomes a line of the ledger
    """Say where the text is wrong, whatever its values are."""


@dataclass(frozen=True)
class Wire:
    """A bit, and how many registers lie between the inputs of the design and it."""

    bit: Bit
    depth: int


Wires = dict[int, Wire]
CONSTANTS = {0: Wire(Bit(None, 0), ANY), 1: Wire(Bit(None, 1), ANY)}


@dataclass
class ModuleReader:
    """The cells of one module as signals.

    Attributes:
        wires: what each wire is; the inputs are given.
        signals: those made here, in order.
    """

    reader: Reader
    module: NetModule
    wires: Wires
    signals: list[Signal] = field(default_factory=list)

    def read(self) -> None:
        """Read all cells.

        Raises:
            Gap: the module holds a state machine, or a bit that nothing drives.
            Fault: paths of unequal numbers of registers meet, or a register has another clock.
        """
        self.clocks()
        if self.module.loop is not None:
            raise Gap(f"a loop through state ({self.module.loop.source})")
        for cell in self.module.cells:
            self.cell(cell)

    def clocks(self) -> None:
        """Check that every register takes its value at the rising edge of the port `clk`.

        Raises:
            Fault: one does not.
        """
        for cell in self.module.cells:
            if "CLK" not in cell.inputs:
                continue
            place = cell.source or cell.name
            if cell.parameters.get("CLK_POLARITY") != 1:
                raise Fault(f"a register at the falling edge of its clock ({place})")
            self.clock(cell.inputs["CLK"], f"a register ({place})")

    def clock(self, wires: tuple[int, ...], what: str) -> None:
        """Check that some wires are the module's input `clk` itself.

        Raises:
            Fault: they are not.
        """
        own = self.module.inputs.get("clk", ())
        if len(own) != 1 or wires != own:
            raise Fault(f"the clock of {what} is not the input clk")

    def cell(self, cell: NetCell) -> None:
        """Read one cell."""
        if cell.kind == REGISTER:
            for q, d in zip(cell.outputs["Q"], cell.inputs["D"], strict=True):
                wire = self.wire(d, cell)
                later = wire.depth if wire.depth == ANY else wire.depth + 1
                self.wires[q] = Wire(wire.bit, later)
        elif cell.kind == MEMORY:
            self._memory(cell)
        else:
            self._word(cell)

    def _word(self, cell: NetCell) -> None:
        """Read a cell with one output: bits passed on, an affine form, or neither."""
        if len(cell.outputs) != 1:
            raise Gap(f"a cell {cell.kind} is not understood ({cell.source or cell.name})")
        (outputs,) = cell.outputs.values()
        width = len(outputs)
        inputs = cell.inputs
        if cell.kind in CHOICES:  # numeric evaluation sees to it that none of these is chosen
            inputs = {p: tuple(max(b, 0) for b in bits) for p, bits in inputs.items()}
        operands = {port: self.vector(bits, cell) for port, bits in inputs.items()}
        undefined = inputs is not cell.inputs and inputs != cell.inputs
        passing = None if undefined else PASSING.get(cell.kind)
        found = passing(cell, operands, width) if passing else None
        wires = [w for bits in inputs.values() for w in bits]
        if found is not None:
            depth = self.depth(wires, cell)
            for wire, bit in zip(outputs, found, strict=True):
                self.wires[wire] = Wire(bit, ANY if bit.signal is None else depth)
            return
        signal = Signal(width, None, cell, operands)
        rule = AFFINE.get(cell.kind)
        form = rule(self.reader, cell, operands, width) if rule else None
        if form is not None:
            signal.form = self.reader.tidy(form, width)
        self._drive(cell, signal, outputs, wires)

    def _memory(self, cell: NetCell) -> None:
        """Read a memory that is never written: a signal for each port that reads it."""
        facts = cell.parameters
        ports, width, size = (int(facts[key]) for key in ("RD_PORTS", "WIDTH", "ABITS"))
        if int(facts["WR_PORTS"]) or int(facts["RD_CLK_ENABLE"]):
            raise Gap(f"a memory that is written or clocked ({cell.source})")
        for port in range(ports):
            address = cell.inputs["RD_ADDR"][port * size : (port + 1) * size]
            signal = Signal(width, None, cell, {"RD_ADDR": self.vector(address, cell)})
            outputs = cell.outputs["RD_DATA"][port * width : (port + 1) * width]
            self._drive(cell, signal, outputs, address)

    def _drive(
        self, cell: NetCell, signal: Signal, outputs: Iterable[int], inputs: Iterable[int]
    ) -> None:
        depth = self.depth(inputs, cell)
        self.signals.append(signal)
        for i, wire in enumerate(outputs):
            self.wires[wire] = Wire(Bit(signal, i), depth)

    def wire(self, number: int, cell: NetCell | None = None) -> Wire:
        """Return what a wire carries."""
        found = CONSTANTS.get(number) or self.wires.get(number)
        if found is None:
            place = "an output" if cell is None else f"{cell.source or cell.name}"
            if number == UNDEFINED:
                raise Gap(f"an undefined bit is read ({place})")
            raise Fault(f"a wire that nothing drives is read ({place})")
        return found

    def vector(self, wires: Iterable[int], cell: NetCell | None = None) -> Vector:
        """Return the bits of some wires."""
        return tuple(self.wire(number, cell).bit for number in wires)

    def depth(self, wires: Iterable[int], cell: NetCell | None = None) -> int:
        """Return the registers in front of some wires, equal on every path.

        Raises:
            Fault: they are not.
        """
        depths = {self.wire(number, cell).depth for number in wires} - {ANY}
        if len(depths) > 1:
            place = "the outputs" if cell is None else f"{cell.source or cell.name}"
            raise Fault(
                f"paths of {' and '.join(map(str, sorted(depths)))} registers meet ({place})"
            )
        return depths.pop() if depths else ANY


def given(signal: Signal, depth: int) -> list[Wire]:
    """Return the bits of a number from outside."""
    return [Wire(Bit(signal, i), depth) for i in range(signal.width)]
