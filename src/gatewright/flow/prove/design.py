"""Prove a whole design, layer by layer, from its Verilog."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gatewright.base import Namer
from gatewright.emit.verilog import module_names, used_modules
from gatewright.flow.prove.affine import ZERO
from gatewright.flow.prove.expected import Element, Elements, apply, array
from gatewright.flow.prove.forms import Gap, Space, Variable
from gatewright.flow.prove.instance import Layer, judge, port_name, read_port
from gatewright.flow.prove.layer import Output
from gatewright.flow.prove.netlist import ANY, REGISTER, Fault, ModuleReader, Wires, given
from gatewright.flow.prove.result import LayerProof
from gatewright.flow.prove.vectors import Signal, Vector
from gatewright.flow.prove.words import Reader
from gatewright.hw import Module, Packing
from gatewright.ir import Graph, Plan, infer
from gatewright.num import Intervals
from gatewright.passes.lower import Group, group_nodes, instance_name, live, results_of
from gatewright.tools.yosys_netlist import NetCell, NetModule, read_netlist

Progress = Callable[[str, int, int], None]
CONTROL = ("clk", "rst", "valid_in", "valid_out")
TOP = "(top: wiring and ports)"


def prove(
    graph: Graph,
    module: Module,
    sources: Mapping[str, str],
    plans: Mapping[str, Plan],
    progress: Progress | None = None,
) -> list[LayerProof]:
    """Prove each layer of a design from its Verilog; the last entry is the top module.

    The inputs of a layer are taken as any numbers in the ranges that the layer before was proven
    to give (or, where it was not proven, that the circuit states).

    Args:
        graph: the integer model.
        module: the circuit with registers: names and layout of the ports.
        sources: the Verilog text by file name.
        plans: the plan of each operation that is not parallel.
        progress: told of each layer.

    Raises:
        ToolError: Yosys is missing or refuses the text.
    """
    return _Prover(graph, module, sources, plans, progress).run()


@dataclass(eq=False)
class _Prover:
    graph: Graph
    module: Module
    sources: Mapping[str, str]
    plans: Mapping[str, Plan]
    progress: Progress | None
    proofs: list[LayerProof] = field(default_factory=list)
    values: dict[str, Elements] = field(default_factory=dict)

    def run(self) -> list[LayerProof]:
        """Read the text, then walk the cells of the top module."""
        names = module_names(used_modules(self.module))
        children = [i.module for i in self.module.instances]
        self.children = {names[id(child)]: child for child in children}
        top = names[id(self.module)]
        self._tell("read the Verilog back", 0)
        self.netlist = read_netlist(self.sources, top, self.children)
        self.space = Space()
        self.reader = Reader(self.space)
        self.shapes = {name: kind.shape for name, kind in infer(self.graph).items()}
        graph = live(self.graph)
        self.groups = group_nodes(graph, self.plans)
        self.readers = graph.readers()
        self.returned = {o.value for o in graph.outputs}
        namer = Namer()  # modules are named in the order in which `lower` makes them
        namer.name(graph.name, "model")
        live_groups = [g for g in self.groups if not g.is_wiring]
        self.todo = {namer.name(g.layer, "layer"): g for g in live_groups}
        # Equal groups are instances of one module; then the instance's name tells which it is.
        self.shared = {m.name for m, n in Counter(children).items() if n > 1}
        start = time.perf_counter()
        self.top = ModuleReader(self.reader, self.netlist[top], {})
        try:
            self._inputs()
            self._walk(self.top.module)
            proof = self._outputs(top)
        except Fault as fault:
            proof = LayerProof(TOP, top, failure=f"{top}.v: {fault}")
        except Gap as gap:
            proof = LayerProof(TOP, top, gaps=(str(gap),), outputs=1)
        spent = sum(p.seconds for p in self.proofs)
        took = time.perf_counter() - start - spent
        self.proofs.append(replace(proof, seconds=took))
        return self.proofs

    def _tell(self, what: str, done: int) -> None:
        if self.progress is not None:
            self.progress(what, done, len(self.module.instances) + 1)

    # ---- the top module

    def _inputs(self) -> None:
        """Make a variable of each number that comes from outside."""
        ports = [(p, s) for p, s in self.module.inputs.items() if p not in CONTROL]
        for (port, signals), i in zip(ports, self.graph.inputs, strict=True):
            kinds = self.module.intervals(signals)
            wires = self.top.module.inputs.get(port, ())
            elements = self._port(self.top.wires, wires, kinds, i.name, 0)
            self.values[i.name] = array(elements, i.shape)
        for name in ("valid_in", "clk", "rst"):
            for wire in self.top.module.inputs.get(name, ()):
                zero = name == "rst"  # the text is proven for a design that is not in reset
                if zero:
                    self.top.wires[wire] = self.top.wire(0)
                else:
                    form = self.space.add(Variable(name, 0, 1))
                    self.top.wires[wire] = given(Signal(1, form), 0)[0]

    def _port(
        self,
        wires: Wires,
        numbers: Sequence[int],
        kinds: Intervals,
        name: str,
        depth: int,
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> list[Element]:
        """Bind the wires of a port to new variables, an element each; return the elements."""
        packing = Packing.of(kinds)
        elements = []
        for e, (lo, hi, frac) in enumerate(
            zip(kinds.lo.tolist(), kinds.hi.tolist(), kinds.frac.tolist(), strict=True)
        ):
            lo, hi = ranges[e] if ranges is not None else (lo, hi)
            form = self.space.add(Variable(f"{name}[{e}]", lo, hi))
            width, offset = int(packing.width[e]), int(packing.offset[e])
            if width:
                signal = Signal(width, form)
                found = given(signal, depth)
                for i in range(width):
                    wires[numbers[offset + i]] = found[i]
            elements.append(Element(form, int(frac)))
        return elements

    def _walk(self, top: NetModule) -> None:
        """Read the cells of the top; a layer's instance is proven when it is met."""
        self.top.clocks()
        if top.loop is not None:
            raise Gap(f"a loop through state ({top.loop.source})")
        cells = [c for c in top.cells if c.kind in self.children]
        there = {self._name(c, self.children[c.kind]) for c in cells}
        self.absent = [group for name, group in self.todo.items() if name not in there]
        pending = list(self.groups)
        for cell in top.cells:
            child = self.children.get(cell.kind)
            if child is None:
                self.top.cell(cell)
                continue
            group = self.todo.pop(self._name(cell, child), None)
            if group is None or group.layer != child.origin:
                raise Gap(
                    f"instance {cell.name} belongs to no layer of the model, or a second time"
                )
            self._wire(pending)
            self._layer(cell, child, group)
            pending = [g for g in pending if g is not group]
        self._wire(pending)

    def _name(self, cell: NetCell, child: Module) -> str:
        """Return what the module of a group is, or would be, called whose instance this is."""
        if child.name not in self.shared:
            return child.name
        return cell.name.removeprefix(instance_name(""))

    def _wire(self, pending: list[Group]) -> None:
        """Go on through groups that have no module of their own and whose inputs are known.

        They need no logic, or all that they give is constant or unused: the circuit has no trace of
        them, and what they compute follows from the model.
        """
        for group in list(pending):
            ready = all(
                name in self.values or name in {n.name for n in group.nodes}
                for node in group.nodes
                for name in node.inputs
            )
            if (group.is_wiring or group in self.absent) and ready:
                for node in group.nodes:
                    inputs = [self.values[name] for name in node.inputs]
                    self.values[node.name] = apply(self.space, node.op, *inputs)
                pending.remove(group)

    def _outputs(self, top: str) -> LayerProof:
        """Compare the ports of the top: the right numbers, all at the latency."""
        ports = [(p, s) for p, s in self.module.outputs.items() if p not in CONTROL]
        listed: list[Output] = []
        depths = set()
        for (port, signals), o in zip(ports, self.graph.outputs, strict=True):
            wires = self.top.module.outputs.get(port, ())
            depths.add(self.top.depth(wires))
            elements = list(self.values[o.value].ravel())
            listed += read_port(self.top, wires, self.module.intervals(signals), elements, port)
        valid = self.top.module.outputs.get("valid_out", ())
        depths = (depths | {self.top.depth(valid)}) - {ANY}
        if depths - {self.module.latency}:
            found = ", ".join(map(str, sorted(depths)))
            raise Fault(f"{found} registers to the outputs instead of {self.module.latency}")
        inputs = self._reset()
        marker = self.top.vector(valid)
        form = self.reader.value(marker)
        if len(marker) != 1 or form.constant or [
            self.space.variables[v].name for v in form.terms
        ] != ["valid_in"]:  # fmt: skip
            folded = any(not group.plan.is_parallel for group in self.groups)
            if folded:
                raise Gap("valid_out comes from a state machine")
            raise Fault("valid_out is not valid_in, later")
        self._cleared(valid, inputs)
        aims = [
            (o.value, i)
            for o in self.graph.outputs
            for i in range(int(np.prod(self.values[o.value].shape)))
        ]
        values = {o.value: self.values[o.value] for o in self.graph.outputs}
        return judge(self.reader, TOP, top, listed, aims, values, (), self.module.latency)[0]

    def _reset(self) -> dict[str, Vector]:
        """Check that reset puts no register of the top to 1; return what each takes in reset.

        What a register takes is in terms of what the others hold, whatever that is: one edge of the
        clock must do.
        """
        top = self.top.module
        held = ModuleReader(self.reader, top, dict(self.top.wires))
        driven = {wire for cell in top.cells for bits in cell.outputs.values() for wire in bits}
        for wire in driven:
            held.wires.pop(wire)
        for wire in top.inputs.get("rst", ()):
            held.wires[wire] = held.wire(1)
        taken = {}
        for cell in top.cells:
            if cell.kind not in self.children and cell.kind != REGISTER:
                held.cell(cell)
                continue
            for wire in (wire for bits in cell.outputs.values() for wire in bits):
                held.wires[wire] = self.top.wires[wire]
            if cell.kind != REGISTER:
                continue
            taken[cell.name] = held.vector(cell.inputs["D"], cell)
            for wire, now in zip(cell.inputs["D"], taken[cell.name], strict=True):
                was = self.top.wire(wire).bit
                if now.signal is None and was.signal is not None and now.at:
                    raise Fault(f"reset sets a register to 1 ({cell.source})")
        return taken

    def _cleared(self, valid: Sequence[int], taken: Mapping[str, Vector]) -> None:
        """Check that every register in front of `valid_out` takes 0 in reset."""
        driver = {w: c for c in self.top.module.cells for b in c.outputs.values() for w in b}
        pending, seen = list(valid), set(valid)
        while pending:
            cell = driver.get(pending.pop())
            if cell is None:
                continue
            if cell.name in taken and any(bit != ZERO for bit in taken[cell.name]):
                raise Fault(f"reset does not clear a register of valid ({cell.source})")
            new = {wire for bits in cell.inputs.values() for wire in bits} - seen
            seen |= new
            pending += new

    # ---- a layer

    def _layer(self, cell: NetCell, child: Module, group: Group) -> None:
        """Prove the instance of a layer, and go on with new variables for its outputs."""
        start = time.perf_counter()
        self._tell(group.layer, len(self.proofs) + 1)
        nodes = {node.name for node in group.nodes}
        outside = dict.fromkeys(n for node in group.nodes for n in node.inputs if n not in nodes)
        values = {name: self.values[name] for name in outside}
        results = results_of(group.nodes, self.readers, self.returned)
        layer = Layer(self.reader, self.netlist[cell.kind], child, group, values, results)
        layer.bind(self.top, cell)
        proof = layer.prove()
        for count, node in enumerate(results):
            port = port_name(count)
            kinds = child.intervals(child.outputs[port])
            elements = self._port(
                self.top.wires, cell.outputs.get(port, ()), kinds, node.name, layer.end,
                layer.ranges.get(node.name),
            )  # fmt: skip
            self.values[node.name] = array(elements, self.shapes[node.name])
        for wire in cell.outputs.get("valid_out", ()):
            form = self.space.add(Variable(f"valid_out of {cell.name}", 0, 1))
            self.top.wires[wire] = given(Signal(1, form), layer.end)[0]
        took = time.perf_counter() - start
        self.proofs.append(replace(proof, seconds=took))
