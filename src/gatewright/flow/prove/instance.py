"""Prove one layer: read its cells, compare its outputs, look for a counterexample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gatewright.flow.prove.counter import Search
from gatewright.flow.prove.expected import Element, Elements, apply
from gatewright.flow.prove.forms import Gap
from gatewright.flow.prove.layer import Outcome, Output, compare
from gatewright.flow.prove.netlist import ANY, Fault, ModuleReader
from gatewright.flow.prove.result import LayerProof
from gatewright.flow.prove.words import Reader
from gatewright.hw import Module, Packing
from gatewright.ir import Node
from gatewright.num import Intervals
from gatewright.passes.lower import Group
from gatewright.tools.yosys_netlist import NetCell, NetModule


@dataclass(eq=False)
class Layer:
    """An instance of a layer's module.

    Attributes:
        child: the circuit of the module: names and layout of its ports.
        values: the elements of what the layer reads.
        results: the nodes whose values leave it, a port each.
        start: registers in front of its inputs.
        end: registers in front of its outputs.
        ranges: what the outputs were proven to lie in, by node, on the ports' grids.
    """

    reader: Reader
    netlist: NetModule
    child: Module
    group: Group
    values: Mapping[str, Elements]
    results: Sequence[Node]
    start: int = 0
    end: int = 0
    ranges: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def bind(self, top: ModuleReader, cell: NetCell) -> None:
        """Connect the module's inputs to the wires of the instance.

        Raises:
            Fault: its clock is not the clock of the top, or an input is not connected.
        """
        self.inner = ModuleReader(self.reader, self.netlist, {})
        depths = set()
        for port, numbers in self.netlist.inputs.items():
            outside = cell.inputs.get(port, ())
            if port == "clk":
                top.clock(outside, f"instance {cell.name}")
            if len(outside) != len(numbers):
                raise Fault(f"{port} of instance {cell.name} is not connected")
            for number, outer in zip(numbers, outside, strict=True):
                wire = top.wire(outer, cell)
                self.inner.wires[number] = wire
                if port != "clk":
                    depths.add(wire.depth)
        self.start = max(depths - {ANY}, default=0)
        self.end = self.start + self.child.latency

    def prove(self) -> LayerProof:
        """Return what is proven of the layer."""
        name, module = self.group.layer, self.netlist.name
        total = sum(len(self.child.outputs[port_name(i)]) for i in range(len(self.results)))
        try:
            self.inner.clocks()
            if not self.group.plan.is_parallel:
                raise Gap(f"a folded layer ({self.group.plan}) is a state machine")
            self.inner.read()
            numbers = [n for bits in self.netlist.outputs.values() for n in bits]
            found = self.inner.depth(numbers)
            if found not in (ANY, self.end):
                depth = found - self.start
                raise Fault(f"{depth} registers to the outputs instead of {self.child.latency}")
            return self._compare(name, module)
        except Fault as fault:
            return LayerProof(name, module, total, failure=f"{module}.v: {fault}")
        except Gap as gap:
            return LayerProof(name, module, total, gaps=(str(gap),))

    def _compare(self, name: str, module: str) -> LayerProof:
        values = dict(self.values)
        for node in self.group.nodes:
            inputs = [values[source] for source in node.inputs]
            values[node.name] = apply(self.reader.space, node.op, *inputs)
        outputs: list[Output] = []
        places: list[tuple[str, int]] = []
        for count, node in enumerate(self.results):
            port = port_name(count)
            kinds = self.child.intervals(self.child.outputs[port])
            wires = self.netlist.outputs.get(port, ())
            elements = list(values[node.name].ravel())
            outputs += read_port(self.inner, wires, kinds, elements, port)
            places += [(node.name, i) for i in range(len(elements))]
        proof, outcomes = judge(
            self.reader, name, module, outputs, places, self.values, self.group.nodes,
            self.child.latency,
        )  # fmt: skip
        for (node_name, index), outcome in zip(places, outcomes, strict=True):
            port = port_name([n.name for n in self.results].index(node_name))
            s = self.child.outputs[port][index]
            claim = (self.child.lo[s], self.child.hi[s])
            known = outcome.kind in ("linear", "cone")
            own = (outcome.low, outcome.high) if known else claim
            self.ranges.setdefault(node_name, []).append(own)
        return proof


def judge(
    reader: Reader,
    layer: str,
    module: str,
    outputs: Sequence[Output],
    places: Sequence[tuple[str, int]],
    values: Mapping[str, Elements],
    nodes: Sequence[Node],
    depth: int,
) -> tuple[LayerProof, list[Outcome]]:
    """Compare outputs; where one is not proven, look for inputs on which it is wrong.

    Args:
        reader: of the space that all forms are in.
        layer: the user's layer.
        module: the Verilog module.
        outputs: what to compare.
        places: for each output its value's name and its place in it.
        values: elements of what the layer reads.
        nodes: the layer's operations.
        depth: registers on every path.
    """
    outcomes = compare(reader, list(outputs))
    kinds = [o.kind for o in outcomes]
    tried = sum(o.tried for o in outcomes if o.kind == "cone")
    proof = LayerProof(
        layer, module, len(kinds), kinds.count("linear"), kinds.count("cone"), tried, depth=depth
    )
    doubtful = [i for i, kind in enumerate(kinds) if kind in ("open", "differs")]
    if not doubtful:
        return proof, outcomes
    if not all(element.is_linear for x in values.values() for element in x.ravel()):
        gaps = dict.fromkeys(_open(outputs[i], outcomes[i]) for i in doubtful)  # none to choose
        return replace(proof, gaps=tuple(gaps)), outcomes
    search = Search(reader.space, values, [outcomes[i] for i in doubtful])
    wrong = search.run(nodes, [(*places[i], outputs[i]) for i in doubtful])
    if wrong:
        named = [outcomes[i] for i in doubtful if wrong.startswith(f"{outputs[i].name} ")]
        first = next((outcome.why for outcome in named if outcome.kind == "differs"), "")
        lines = _lines(outputs, wrong)
        failure = f"{module}.v{lines}: {wrong}" + (f"; {first}" if first else "")
        return replace(proof, failure=failure), outcomes
    gaps = dict.fromkeys(_open(outputs[i], outcomes[i]) for i in doubtful)
    return replace(proof, gaps=tuple(gaps)), outcomes


def _open(output: Output, outcome: Outcome) -> str:
    """Say why an output is open; a difference of forms without an input for it is no more."""
    if outcome.kind == "open":
        return outcome.why
    return f"{output.name}: not seen to be equal, and no input was found on which it differs"


def _lines(outputs: Sequence[Output], wrong: str) -> str:
    """Return the line of the cell behind the output that a message is about."""
    for output in outputs:
        if wrong.startswith(f"{output.name} "):
            cells = [bit.signal.cell for bit in output.bits if bit.signal is not None]
            sources = [cell.source for cell in cells if cell is not None and cell.source]
            if sources:
                return f" (behind {sources[-1].split('|')[-1]})"
    return ""


def port_name(count: int) -> str:
    """Return the name of a layer's output port."""
    return "y" if count == 0 else f"y{count + 1}"


def read_port(
    module: ModuleReader,
    wires: Sequence[int],
    kinds: Intervals,
    elements: Sequence[Element],
    name: str,
) -> list[Output]:
    """Return the elements of an output port with what they must be."""
    packing, found = Packing.of(kinds), []
    bits = module.vector(wires)
    rows = zip(elements, kinds.lo.tolist(), kinds.frac.tolist(), strict=True)
    for e, (element, lo, frac) in enumerate(rows):
        low = int(packing.offset[e])
        own = bits[low : low + int(packing.width[e])]
        found.append(Output(f"{name}[{e}]", own, lo < 0, frac, element))
    return found
