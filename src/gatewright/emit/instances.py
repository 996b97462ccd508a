"""Uses of other modules: vectors that connect them, and the wires of what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import identifier
from gatewright.emit.buses import instance_feeds
from gatewright.emit.loops import Loop, Strip
from gatewright.emit.nets import literal, vector
from gatewright.emit.ports import concatenation
from gatewright.emit.scope import Scope
from gatewright.hw.bulk import instance_rows, values
from gatewright.num import Ints


@dataclass
class Instances:
    """The instances of a module that are written already, with their names."""

    scope: Scope
    written: dict[int, str] = field(default_factory=dict)
    genvars: list[str] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)

    def row(self, s: int) -> None:
        """Write an INSTANCE row: its instance before its first row, then the element's wire."""
        scope, nets = self.scope, self.scope.nets
        number, e = scope.buses.element(s)
        if number not in self.written:
            self.written[number] = self._write(number)
        width = nets.width[s]
        if not width or not scope.buses.needed[s] or scope.buses.vector[number, e.port] == s:
            return
        if not e.width:
            text = literal(0, width)
        else:
            text = nets.field(scope.buses.vector[number, e.port], e.low, e.width, e.signed, width)
        name = nets.name[s] or scope.namer.name(self._element_name(number, s))
        nets.name[s] = name
        scope.lines.append(f"  wire {vector(width, nets.signed[s])}{name} = {text};")

    def network(self) -> None:
        """Write a network: first all wires, as any instance may read those of a later one."""
        scope, m = self.scope, self.scope.module
        rows, pins = instance_rows(m), {}
        for number, instance in enumerate(m.instances):
            self.written[number] = own = self._name(instance.name)
            pins[number] = [
                f".{port}({name})" for port, name, _ in self._wires(number, own, rows[number])
            ]
        alone = set(scope.buses.vector.values())  # elements that are a wire by now
        for own_rows in rows:
            for s in own_rows.tolist():
                if s not in alone and (scope.nets.name[s] is None or scope.buses.needed[s]):
                    self.row(s)
        for number, own in self.written.items():
            self._body(number, own, pins[number])

    def _wires(self, number: int, own: str, rows: Ints) -> list[tuple[str, str, int]]:
        """Declare the outputs of an instance; a port of one element is that element's wire."""
        scope, found = self.scope, []
        nets, outputs = scope.nets, scope.buses.outputs(number)
        starts = np.searchsorted(outputs.port, np.arange(len(outputs.ports)))
        for port, size, first in zip(outputs.ports, outputs.size.tolist(), starts, strict=True):
            if not size:
                continue
            if int((outputs.port == outputs.port[first]).sum()) == 1:
                s = int(rows[first])
                name = nets.name[s] = scope.namer.name(f"{port}_of_{own}")
                scope.buses.vector[number, port] = s
                scope.lines.append(f"  wire {vector(size, nets.signed[s])}{name};")
            else:
                name = scope.namer.name(f"{port}_of_{own}")
                scope.buses.vector[number, port] = scope.vector(name, size)
                scope.lines.append(f"  wire {vector(size)}{name};")
            found.append((port, name, size))
        return found

    def _body(self, number: int, own: str, outputs: list[str]) -> None:
        """Write the instance itself, its inputs connected."""
        scope = self.scope
        child = scope.module.instances[number].module
        pins = [".clk(clk)", ".rst(rst)"] if scope.design.clocked[id(child)] else []
        scope.clock_pins.update(("clk", "rst") if pins else ())
        scope.lines.append("")
        pins += [*self._inputs(number, own), *outputs]
        body = ",\n".join(f"    {pin}" for pin in pins)
        scope.lines += [f"  {scope.design.name[id(child)]} {own} (", body, "  );"]

    def _element_name(self, number: int, s: int) -> str:
        """Return the name of an output element: like the port's vector, with the index behind."""
        outputs = self.scope.buses.outputs(number)
        index = self.scope.module.imm[s] & 0xFFFFFFFF
        copy, i = divmod(index, len(outputs.port))
        port = int(outputs.port[i])
        i += copy * int((outputs.port == port).sum()) - int((outputs.port < port).sum())
        return f"{outputs.ports[port]}_of_{self.written[number]}_{i}"

    def _write(self, number: int) -> str:
        """Write an instance; return its name."""
        scope = self.scope
        instance = scope.module.instances[number]
        child = instance.module
        own = self._name(instance.name)
        pins = [".clk(clk)", ".rst(rst)"] if scope.design.clocked[id(child)] else []
        scope.clock_pins.update(("clk", "rst") if pins else ())
        if scope.lines and scope.lines[-1]:
            scope.lines.append("")
        if instance.count > 1:
            return self._write_loop(number, own, pins)
        pins += self._inputs(number, own)
        for port, name, _ in self._outputs(number, own):
            pins.append(f".{port}({name})")
        body = ",\n".join(f"    {pin}" for pin in pins)
        scope.lines += [f"  {scope.design.name[id(child)]} {own} (", body, "  );"]
        return own

    def _outputs(self, number: int, own: str) -> list[tuple[str, str, int]]:
        """Declare the vectors of the outputs; return port, vector and the bits of one copy."""
        scope, instance, found = self.scope, self.scope.module.instances[number], []
        outputs = scope.buses.outputs(number)
        for port, size in zip(outputs.ports, outputs.size.tolist(), strict=True):
            alone = self._labelled(number, port) if size else None
            if alone is not None:
                name = scope.nets.name[alone]
                scope.buses.vector[number, port] = alone
                scope.lines.append(f"  wire {vector(size, scope.nets.signed[alone])}{name};")
                found.append((port, str(name), size))
            elif size:
                width = size * instance.count
                name = scope.namer.name(f"{port}_of_{own}")
                scope.buses.vector[number, port] = scope.vector(name, width)
                scope.lines.append(f"  wire {vector(width)}{name};")
                found.append((port, name, size))
        return found

    def _labelled(self, number: int, port: str) -> int | None:
        """Return the named row that is all of an output port, if there is one."""
        scope = self.scope
        if not self.rows:
            self.rows = instance_rows(scope.module)
        mine = self.rows[number]
        if scope.module.instances[number].count > 1 or not mine.size:
            return None
        own = scope.buses.outputs(number)
        at = np.flatnonzero(own.port == own.ports.index(port))
        rows = mine[np.isin(values(scope.module.imm)[mine] & 0xFFFFFFFF, at)]
        if len(at) != 1 or len(rows) != 1:
            return None
        s = int(rows[0])
        whole = scope.nets.width[s] == int(own.width[at[0]]) and scope.nets.name[s] is not None
        return s if whole and s in scope.module.names else None

    def _write_loop(self, number: int, own: str, pins: list[str]) -> str:
        """Write copies of an instance in loops; return its name."""
        scope, child = self.scope, self.scope.module.instances[number].module
        loop = scope.buses.loops[number]
        index = self._indices(len(loop.counts))
        for port, feeds in instance_feeds(scope.module, number).items():
            if not int(feeds.width.sum()):
                continue  # known in every copy: the module has no such port
            if port in loop.strips:
                pins.append(f".{port}({self._strips(loop, loop.strips[port], index)})")
            else:
                name, size = scope.namer.name(f"{port}_to_{own}"), int(feeds.width.sum())
                parts = scope.buses.parts(feeds.flat)
                wide = vector(size * len(feeds.signals))
                scope.lines += concatenation(f"  wire {wide}{name} = ", parts, ";")
                pins.append(f".{port}({name}[{_sum(index, loop.side_by_side(size), 0)} +: {size}])")
        for port, name, size in self._outputs(number, own):
            pins.append(f".{port}({name}[{_sum(index, loop.side_by_side(size), 0)} +: {size}])")
        margin = "  "
        for i, count in zip(index, loop.counts, strict=True):
            label = scope.namer.name(f"{own}_{i}")
            scope.lines.append(
                f"{margin}for ({i} = 0; {i} < {count}; {i} = {i} + 1) begin : {label}"
            )
            margin += "  "
        body = ",\n".join(f"{margin}  {pin}" for pin in pins)
        scope.lines += [f"{margin}{scope.design.name[id(child)]} {own} (", body, f"{margin});"]
        for _ in index:
            margin = margin[:-2]
            scope.lines.append(f"{margin}end")
        return own

    def _indices(self, depth: int) -> list[str]:
        """Return the variables of nested loops; all loops of a module share them."""
        while len(self.genvars) < depth:
            wanted = "ijkl"[len(self.genvars)]
            self.genvars.append(self.scope.namer.name(wanted))
            self.scope.lines.append(f"  genvar {self.genvars[-1]};")
        return self.genvars[:depth]

    def _strips(self, loop: Loop, strips: list[Strip], index: list[str]) -> str:
        """Return the bits that a port takes in a copy, lowest last as Verilog has them."""
        scope, pieces = self.scope, []
        for strip in strips:
            net = scope.buses.vector[scope.buses.keys[strip.key]]
            scope.nets.read(net, loop.positions(strip), strip.width)
            name = scope.nets.name[scope.nets.root[net]]
            at = _sum(index, strip.steps, strip.low)
            if strip.width == scope.nets.width[net] and not strip.above:
                pieces.append(str(name))  # the whole vector, or a net that is none
            elif strip.above:
                sign = f"{name}[{_sum(index, strip.steps, strip.low + strip.width - 1)}]"
                text = f"{{{strip.above}{{{sign}}}}}" if strip.signed else f"{strip.above}'d0"
                pieces.append(f"{text}, {name}[{at} +: {strip.width}]")
            else:
                pieces.append(f"{name}[{at} +: {strip.width}]")
        if len(pieces) == 1 and not strips[0].above:
            return pieces[0]
        return f"{{{', '.join(pieces[::-1])}}}"

    def _name(self, wanted: str) -> str:
        """Return an identifier that starts with `u_` and is no port of any module."""
        wanted = identifier(wanted if wanted.startswith("u_") else f"u_{wanted}")
        wanted = wanted if wanted.startswith("u_") else "u_m"  # nothing of the name was left
        name = self.scope.namer.name(wanted)
        while name.lower() in self.scope.design.shunned:
            name = self.scope.namer.name(wanted)
        return name

    def _inputs(self, number: int, own: str) -> list[str]:
        """Connect the input ports, each signal brought to the grid and width of its element."""
        scope, pins = self.scope, []
        for port, feeds in instance_feeds(scope.module, number).items():
            parts = scope.buses.parts(feeds.flat)
            if len(parts) == 1:
                pins.append(f".{port}({parts[0]})")
            elif parts:
                name = scope.namer.name(f"{port}_to_{own}")
                width = int(feeds.width.sum())
                scope.lines += concatenation(f"  wire {vector(width)}{name} = ", parts, ";")
                pins.append(f".{port}({name})")
        return pins


def _sum(index: Sequence[str], steps: Sequence[int], low: int) -> str:
    """Return a bit's number: steps times loop variables, and where the first copy has it."""
    terms = [
        i if step == 1 else f"{step}*{i}" for i, step in zip(index, steps, strict=True) if step > 0
    ]
    terms += [str(low)] if low or not terms else []
    below = [f"{-step}*{i}" for i, step in zip(index, steps, strict=True) if step < 0]
    return " - ".join([" + ".join(terms), *below])
