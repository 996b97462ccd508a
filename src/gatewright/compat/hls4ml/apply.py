"""Give a model the number formats of a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError, OptionError
from gatewright.compat.hls4ml.config import Config
from gatewright.compat.hls4ml.parts import WEIGHTED, Part
from gatewright.compat.hls4ml.precision import Precision
from gatewright.ir import Graph, Input, Node, Op, Reals, shapes
from gatewright.num import Intervals
from gatewright.ops import Function, Quantize, Relu, Softmax, SoftmaxFormats

BIASES = frozenset({"bias", "offset"})
"""Constants of an operation that take the precision `bias`; the others take `weight`."""


@dataclass(frozen=True, eq=False)
class Applied:
    """A model on integers.

    Attributes:
        graph: with formats on every value that the configuration gives one.
        traced: by part, the value that it gives.
    """

    graph: Graph
    traced: dict[str, str]


def apply(graph: Graph, parts: Iterable[Part], config: Config) -> Applied:
    """Quantize inputs, constants and results as a configuration asks.

    Parts with quantizers of their own are left as they are. What no precision is given for has the
    default. A result whose precision is `auto` keeps all its bits, unless a table is addressed with
    it; that, and a constant or an input whose precision is `auto`, takes the default.

    Raises:
        OptionError: a weight does not fit its format.
    """
    return _Applying(graph, list(parts), config).run()


class _Applying:
    def __init__(self, graph: Graph, parts: list[Part], config: Config) -> None:
        self.graph, self.config = graph, config
        self.parts = {part.name: part for part in parts}
        self.part_of = {node.name: part for part in parts for node in part.nodes}
        self.renamed: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.taken = {i.name for i in graph.inputs} | {n.name for n in graph.nodes}
        readers = graph.readers()
        self.addresses = {
            name
            for node in graph.nodes
            if isinstance(node.op, Function | Softmax) and not self.part_of[node.name].own
            for name in node.inputs
        }
        self.quantized = {
            i.name
            for i in graph.inputs
            if readers[i.name] and all(isinstance(n.op, Quantize) for n in readers[i.name])
        }

    def run(self) -> Applied:
        inputs = tuple(self._input(i) for i in self.graph.inputs)
        for node in self.graph.nodes:
            self._node(node)
        outputs = tuple(
            replace(o, value=self.renamed.get(o.value, o.value)) for o in self.graph.outputs
        )
        graph = replace(self.graph, inputs=inputs, nodes=tuple(self.nodes), outputs=outputs)
        traced = {p.name: self.renamed.get(p.result, p.result) for p in self.parts.values()}
        return Applied(graph, traced)

    def _input(self, i: Input) -> Input:
        """Let the host bring an input into its format, unless the model quantizes it."""
        if i.type is not None or i.name in self.quantized:
            return i
        wanted = self.config.of(self.parts[i.name]).precision
        precision = wanted.get("result") or self._default(self.parts[i.name])
        kind = Intervals.format(precision.fmt, i.shape)
        return replace(i, type=kind, encode=(*i.encode, precision.quantizer()))

    def _default(self, part: Part) -> Precision:
        """Return the precision of what nothing else is said of."""
        for wanted in (self.config.of(part), self.config.model):
            found = wanted.precision.get("default")
            if found is not None:
                return found
        raise OptionError(
            "the configuration gives no default precision",
            found=f"nothing for {part.name!r}",
            supported="['Model']['Precision'], a format or a dictionary with 'default'",
        )

    def _node(self, node: Node) -> None:
        part = self.part_of[node.name]
        inputs = tuple(self.renamed.get(name, name) for name in node.inputs)
        node = replace(node, inputs=inputs)
        if part.own:
            self.nodes.append(node)
            return
        wanted = self.config.of(part).precision
        node = replace(node, op=self._constants(node.op, part))
        if isinstance(node.op, Function) and node.op.out is None:
            precision = wanted.get("result") or self._default(part)
            node = replace(node, op=replace(node.op, out=precision.quantizer()))
        if isinstance(node.op, Softmax) and node.op.formats is None:
            node = replace(node, op=Softmax(self._softmax(node, part)))
        self.nodes.append(node)
        weighted = isinstance(node.op, WEIGHTED)
        if weighted and wanted.get("accum") is not None:
            self._quantize(node, "accum", wanted["accum"])
        # As in hls4ml: what no precision is given for has the default, `auto` keeps all bits.
        result = wanted["result"] if "result" in wanted else self._default(part)
        if result is None and node.name in self.addresses:
            result = self._default(part)
        if node.name == part.nodes[-1].name and result is not None:
            self._quantize(node, "result", result)

    def _quantize(self, node: Node, role: str, precision: Precision | None) -> None:
        """Put a quantizer behind a value."""
        assert precision is not None
        name = f"{node.name}_{role}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        source = self.renamed.get(node.name, node.name)
        self.nodes.append(Node(name, precision.quantizer(), (source,), node.layer, node.part))
        self.renamed[node.name] = name

    def _softmax(self, node: Node, part: Part) -> SoftmaxFormats:
        """Return the tables' binary points: as asked for, else from the result's."""
        wanted = self.config.of(part).precision
        result = wanted.get("result") or self._default(part)
        count = _length(self.graph, node)
        formats = SoftmaxFormats.for_output(max(result.fmt.frac, 1), count)
        exp, inverse = wanted.get("exp_table"), wanted.get("inv_table")
        if exp is not None:
            formats = replace(formats, exp=exp.fmt.frac)
        return formats if inverse is None else replace(formats, inverse=inverse.fmt.frac)

    def _constants(self, op: Op, part: Part) -> Op:
        """Round an operation's constants to their formats."""
        wanted = self.config.of(part).precision
        default = self._default(part)
        changes = {}
        for name in op.constants:
            role = "bias" if name in BIASES else "weight"
            key = "scale" if op.kind == "affine" and wanted.get("scale") else role
            changes[name] = _rounded(getattr(op, name), wanted.get(key) or default, part, role)
        if isinstance(op, Relu) and op.high is not None:
            return replace(op, high=float(_rounded(np.asarray(op.high), default, part, "limit")))
        return replace(op, **changes) if changes else op  # type: ignore[type-var]


def _rounded(values: Reals, precision: Precision, part: Part, role: str) -> Reals:
    """Round constants; one that wraps is a mistake, not a wish.

    Raises:
        OptionError: a constant lies outside of its format.
    """
    rounded = precision.quantizer().real(np.asarray(values, np.float64)[None])[0]
    step = 2.0**-precision.fmt.frac
    off = np.abs(rounded - values) >= step
    if off.any() and "SAT" not in precision.overflow.name:
        raise OptionError(
            f"a {role} of {part.name!r} does not fit its precision",
            found=f"{np.asarray(values)[off].flat[0]:.6g} in {precision.fmt}",
            supported=f"{precision.fmt.low * step:g} to {precision.fmt.high * step:g}",
            remedy=f"give ['LayerName'][{part.name!r}]['Precision'][{role!r}] more integer bits, "
            "or let it saturate: fixed<W,I,RND,SAT>",
        )
    return np.asarray(rounded, np.float64)


def _length(graph: Graph, node: Node) -> int:
    """Return the length of the axis that a softmax runs along."""
    shape = shapes(graph)[node.name]
    if not shape:
        raise ModelError("a softmax has nothing to run along", found=f"shape {shape}")
    return shape[-1]
