"""Find what of a model is to be quantized: values, constants, what stays on the host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import FormatError, UnsupportedError
from gatewright.ir import Graph, Node, Op, shapes
from gatewright.num import FixedArray
from gatewright.ops import (
    OPERATIONS,
    Affine,
    Constant,
    Dense,
    DivideConstant,
    Forest,
    Function,
    Quantize,
    Relu,
    ScaledQuantize,
    Softmax,
)
from gatewright.quantize.joins import factors, joins
from gatewright.quantize.tie_groups import join_rounding, join_wanted, joined, tie_groups

READS_RAW = (Quantize, ScaledQuantize)
"""The user's own quantizers read a value before it is rounded for others."""

GRAINED_BITS = 16
"""Constants within so many bits count as quantized by the user where their input is."""


@dataclass(frozen=True)
class Site:
    """A value that gets a format.

    Attributes:
        value: its name.
        layer: the user's layer that gives it.
        role: "input", "index" (an input of whole numbers, which stays exact), "activation" (a
            quantizer behind it) or "function" (the operation rounds its own result).
        is_divisor: something is divided by it, so that it must not be rounded to 0.
        limits: of an "index", the smallest and largest number that its readers know.
        dense: where not empty, the dense node whose bias takes the half unit of rounding, so that
            the quantizer only drops bits: nothing but a ReLU stands between.
        is_output: it leaves the firmware.
        is_address: a table is addressed with it.
        is_factor: something multiplies it.
    """

    value: str
    layer: str
    role: str
    dense: str = ""
    is_output: bool = False
    is_address: bool = False
    limits: tuple[int, int] = (0, 0)
    is_divisor: bool = False
    is_factor: bool = False


@dataclass(frozen=True, eq=False)
class Structure:
    """What is to be quantized.

    Attributes:
        graph: the model, without what stays on the host.
        sites: by value.
        weighted: names of nodes whose constants are to be rounded.
        known: values that have a format already.
        notes: decisions that a reader of the report should know.
    """

    graph: Graph
    sites: dict[str, Site]
    weighted: frozenset[str]
    known: frozenset[str]
    notes: tuple[str, ...]


def analyse(graph: Graph, host_outputs: bool = True, shared: bool = False) -> Structure:
    """Return what of a graph is to be quantized.

    Args:
        graph: folded, real or partly quantized.
        shared: hardware is shared by all channels, so that the operands of sums get formats, too.
        host_outputs: leave a softmax or sigmoid that ends the model to the host (`Output.decode`).
            The largest class and any cut on a score are the same on what stands before it.

    Raises:
        UnsupportedError: an operation has no rule for its quantization.
    """
    refuse_unknown(graph.nodes, graph)
    notes: list[str] = []
    if host_outputs:
        graph, notes = move_to_host(graph)
    nodes = {node.name: node for node in graph.nodes}
    known = known_values(graph)
    fed_by_scale = {n.name for n in graph.nodes if isinstance(n.op, ScaledQuantize)}
    weighted = frozenset(
        node.name
        for node in graph.nodes
        if node.op.constants and not is_quantized(node, known, fed_by_scale)
    )
    indices = index_inputs(graph)
    wanted = _wanted(graph, nodes, known)
    for name in joins(graph) if shared else ():
        _require(name, nodes, known, wanted, False)
    outputs = {o.value for o in graph.outputs}
    groups = tie_groups(graph)
    weighted = joined(groups, weighted)
    join_wanted(groups, known, wanted)
    order = [i.name for i in graph.inputs] + [node.name for node in graph.nodes]
    sites = {
        name: _site(name, graph, nodes, name in outputs, wanted[name], indices)
        for name in order
        if name in wanted
    }
    rounding = join_rounding(groups, {name: site.dense for name, site in sites.items()})
    divided, multiplied = divisors(graph), factors(graph)
    sites = {
        name: replace(
            site, dense=rounding[name], is_divisor=name in divided, is_factor=name in multiplied
        )
        for name, site in sites.items()
    }
    return Structure(graph, sites, weighted, known, tuple(notes))


def _wanted(graph: Graph, nodes: dict[str, Node], known: frozenset[str]) -> dict[str, bool]:
    """Return the values that must get a format, and whether each addresses a table."""
    wanted: dict[str, bool] = {}
    for node in graph.nodes:
        if node.op.growth == "narrows":
            for k, name in enumerate(node.inputs):
                if k not in node.op.index_operands:
                    _require(name, nodes, known, wanted, node.op.addresses)
    for name in dict.fromkeys(o.value for o in graph.outputs):
        _require(name, nodes, known, wanted, False)
    for i in graph.inputs:
        if i.type is None:
            wanted.setdefault(i.name, False)
    for node in graph.nodes:
        if node.op.rounds == "format" and not node.op.is_formatted:
            wanted.setdefault(node.name, False)
    return wanted


def scale_averages(graph: Graph) -> Graph:
    """Return the graph with divisions that are no shift as scales, which are rounded like weights.

    A division of what has a format already stays: the quantizer behind it says what it means.
    """
    known = known_values(graph)
    nodes = []
    for node in graph.nodes:
        op = node.op
        if isinstance(op, DivideConstant) and not op.is_shift and node.inputs[0] not in known:
            node = replace(node, op=Affine(1.0 / op.divisor, np.zeros(op.divisor.shape)))
        nodes.append(node)
    return graph.with_nodes(nodes)


def refuse_unknown(nodes: Iterable[Node], graph: Graph) -> None:
    """Raise an `UnsupportedError` for an operation without a rule."""
    for node in nodes:
        if not node.op.growth:
            raise UnsupportedError(
                "an operation cannot be quantized automatically",
                place=graph.place(node),
                found=node.op.kind,
                supported=", ".join(sorted(op.__name__.lower() for op in OPERATIONS if op.growth)),
                remedy="give this layer number formats in the model (quantization-aware training)",
            )


def move_to_host(graph: Graph) -> tuple[Graph, list[str]]:
    """Move a softmax or sigmoid that ends the model into `Output.decode`.

    Behind a forest every function of single sums moves, such as the exponential of a rate: the
    firmware gives the sums.
    """
    nodes = {node.name: node for node in graph.nodes}
    readers = graph.readers()
    outputs, notes = [], []
    gone: set[str] = set()
    for output in graph.outputs:
        while True:
            node = nodes.get(output.value)
            shared = sum(o.value == output.value for o in graph.outputs) > 1
            read = {reader.name for reader in readers[output.value]} - gone
            if node is None or read or shared or not (_is_score(node.op) or _is_link(node, nodes)):
                break
            gone.add(node.name)
            output = replace(output, value=node.inputs[0], decode=(node.op, *output.decode))
            word = node.op.name if isinstance(node.op, Function) else node.op.kind
            notes.append(
                f"output {output.name!r}: the {word} of layer {node.layer or node.name!r} is left "
                "to the host; the firmware gives what stands before it, which has the same order"
            )
        outputs.append(output)
    kept = tuple(node for node in graph.nodes if node.name not in gone)
    return replace(graph, nodes=kept, outputs=tuple(outputs)), notes


def _is_score(op: Op) -> bool:
    if isinstance(op, Softmax):
        return op.formats is None
    return isinstance(op, Function) and op.name == "sigmoid" and op.out is None


def _is_link(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Say whether only functions of single numbers stand between a forest and a node's result."""
    while isinstance(node.op, Affine | DivideConstant) or (
        isinstance(node.op, Function) and node.op.out is None
    ):
        found = nodes.get(node.inputs[0])
        if found is None:
            return False
        if isinstance(found.op, Forest):
            return True
        node = found
    return False


def known_values(graph: Graph) -> frozenset[str]:
    """Return the values that have a format before anything is quantized."""
    known = {i.name for i in graph.inputs if i.type is not None}
    for node in graph.nodes:
        op = node.op
        kept = op.growth == "keeps" and all(name in known for name in node.inputs)
        grained = isinstance(op, Constant) and is_grained(op.values)
        if op.is_formatted or kept or grained:
            known.add(node.name)
    return frozenset(known)


def is_grained(*constants: np.ndarray) -> bool:
    """Say whether constants stand on a grid within few bits, as quantized ones do."""
    for values in constants:
        if not _spread(values):
            return False
        try:
            q = FixedArray.exact(np.clip(values, -(2.0**40), 2.0**40)).q
        except FormatError:  # no grid of 62 bits holds them
            return False
        if int(np.abs(q).max(initial=0)).bit_length() > GRAINED_BITS:
            return False
    return True


def _spread(values: np.ndarray) -> bool:
    """Say whether the magnitudes are near enough for one grid of 62 bits."""
    live = np.abs(values[values != 0]) if np.ndim(values) else np.abs(np.atleast_1d(values))
    live = live[live > 0]
    return not live.size or float(live.max() / live.min()) < 2.0**GRAINED_BITS


def is_quantized(node: Node, known: frozenset[str], scaled: set[str]) -> bool:
    """Say whether a node's constants were quantized with the user's model."""
    op = node.op
    if isinstance(op, Constant):
        return is_grained(op.values)
    if not all(name in known for name in node.inputs):
        return False
    if any(name in scaled for name in node.inputs):
        return True
    return is_grained(np.asarray(getattr(op, op.constants[0])))


def index_inputs(graph: Graph) -> dict[str, tuple[int, int]]:
    """Return the inputs that are read as positions or classes, with what their readers know."""
    sources = {node.name: node for node in graph.nodes}
    forms = shapes(graph) if any(node.op.index_operands for node in graph.nodes) else {}
    found: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        stack = [node.inputs[k] for k in node.op.index_operands if k < len(node.inputs)]
        while stack:
            name = stack.pop()
            if name in sources:  # whatever moves positions before they are read
                stack += sources[name].inputs if sources[name].op.wiring else ()
                continue
            low, high = node.op.index_range(*(forms[n] for n in node.inputs))
            old = found.get(name, (low, high))
            found[name] = min(low, old[0]), max(high, old[1])
    return found


def divisors(graph: Graph) -> set[str]:
    """Return the values that something is divided by, and what they are moved from."""
    nodes = {node.name: node for node in graph.nodes}
    found: set[str] = set()
    stack = [node.inputs[k] for node in graph.nodes for k in node.op.nonzero_operands]
    while stack:
        name = stack.pop()
        found.add(name)
        if name in nodes and nodes[name].op.wiring:
            stack += nodes[name].inputs
    return found


def _require(
    name: str, nodes: dict[str, Node], known: frozenset[str], wanted: dict[str, bool], address: bool
) -> None:
    """Mark the values that must get a format for `name` to have one."""
    if name in known:
        return
    node = nodes.get(name)
    if node is not None and node.op.wiring and node.op.growth == "keeps":
        for source in node.inputs:
            _require(source, nodes, known, wanted, address)
        return
    if node is not None and (node.op.rounds == "bits" or isinstance(node.op, Constant)):
        return
    wanted[name] = wanted.get(name, False) or address


def _site(
    name: str,
    graph: Graph,
    nodes: dict[str, Node],
    is_output: bool,
    address: bool,
    indices: dict[str, tuple[int, int]],
) -> Site:
    node = nodes.get(name)
    if node is None:
        role = "index" if name in indices else "input"
        limits = indices.get(name, (0, 0))
        return Site(name, name, role, is_output=is_output, is_address=address, limits=limits)
    layer = node.layer or node.name
    if node.op.rounds == "format":
        return Site(name, layer, "function", is_output=is_output, is_address=address)
    return Site(name, layer, "activation", _rounding_dense(node, graph, nodes), is_output, address)


def _rounding_dense(node: Node, graph: Graph, nodes: dict[str, Node]) -> str:
    """Return the dense node from which only ReLUs lead to this one, or nothing."""
    readers, outputs = graph.readers(), {o.value for o in graph.outputs}
    if any(isinstance(reader.op, READS_RAW) for reader in readers[node.name]):
        return ""
    while isinstance(node.op, Relu) and node.op.low == 0:
        source = nodes.get(node.inputs[0])
        if source is None or len(readers[source.name]) > 1 or source.name in outputs:
            return ""
        node = source
    return node.name if isinstance(node.op, Dense) else ""
