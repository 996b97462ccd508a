"""Uses of other modules: vectors that connect them, and the wires of what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.base import identifier
from gatewright.emit.nets import literal, vector
from gatewright.emit.ports import concatenation
from gatewright.emit.scope import Scope
from gatewright.hw import Module


@dataclass(frozen=True)
class Element:
    """An output element of an instance: bits of the vector that connects its port."""

    net: int
    low: int
    width: int
    signed: bool


@dataclass
class Instances:
    """The instances of a module that are written already, with their output elements."""

    scope: Scope
    elements: dict[int, list[Element]] = field(default_factory=dict)

    def row(self, s: int) -> None:
        """Write an INSTANCE row: its instance before its first row, then the element's wire."""
        scope, nets = self.scope, self.scope.nets
        number, index = scope.module.imm[s] >> 32, scope.module.imm[s] & 0xFFFFFFFF
        if number not in self.elements:
            self.elements[number] = self._write(number)
        name, width = nets.name[s], nets.width[s]
        if name is None:
            return
        e = self.elements[number][index]
        text = nets.field(e.net, e.low, e.width, e.signed, width) if e.width else literal(0, width)
        scope.lines.append(f"  wire {vector(width, nets.signed[s])}{name} = {text};")

    def _write(self, number: int) -> list[Element]:
        """Write an instance; return its output elements, port after port."""
        scope = self.scope
        instance = scope.module.instances[number]
        child = instance.module
        own = self._name(instance.name)
        pins = [".clk(clk)", ".rst(rst)"] if scope.design.clocked[id(child)] else []
        scope.clock_pins.update(("clk", "rst") if pins else ())
        if scope.lines and scope.lines[-1]:
            scope.lines.append("")
        pins += self._inputs(instance.inputs, child, own)
        elements = []
        for port, signals in child.outputs.items():
            width = sum(child.width(s) for s in signals)
            net = -1
            if width:
                name = scope.namer.name(f"{port}_of_{own}")
                net = scope.vector(name, width)
                scope.lines.append(f"  wire {vector(width)}{name};")
                pins.append(f".{port}({name})")
            low = 0
            for s in signals:
                elements.append(Element(net, low, child.width(s), child.lo[s] < 0))
                low += child.width(s)
        body = ",\n".join(f"    {pin}" for pin in pins)
        scope.lines += [f"  {scope.design.name[id(child)]} {own} (", body, "  );"]
        return elements

    def _name(self, wanted: str) -> str:
        """Return an identifier that starts with `u_` and is no port of any module."""
        wanted = identifier(wanted if wanted.startswith("u_") else f"u_{wanted}")
        wanted = wanted if wanted.startswith("u_") else "u_m"  # nothing of the name was left
        name = self.scope.namer.name(wanted)
        while name.lower() in self.scope.design.shunned:
            name = self.scope.namer.name(wanted)
        return name

    def _inputs(self, feeds: tuple[int, ...], child: Module, own: str) -> list[str]:
        """Connect the input ports, each signal brought to the grid and width of its element."""
        scope, pins, at = self.scope, [], 0
        for port, signals in child.inputs.items():
            parts = []
            for inner, outer in zip(signals, feeds[at:], strict=False):
                width = child.width(inner)
                if width:
                    drop = scope.module.frac[outer] - child.frac[inner]
                    parts.append(scope.nets.part(outer, drop, width))
            at += len(signals)
            if len(parts) == 1:
                pins.append(f".{port}({parts[0]})")
            elif parts:
                name = scope.namer.name(f"{port}_to_{own}")
                width = sum(child.width(s) for s in signals)
                scope.lines += concatenation(f"  wire {vector(width)}{name} = ", parts, ";")
                pins.append(f".{port}({name})")
        return pins
