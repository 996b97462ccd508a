"""What one quantization has made so far, and its matrices and other constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatewright.ir import Input, Node, Op, Reals
from gatewright.num import Intervals, Ints
from gatewright.ops import (
    Affine,
    Constant,
    Embedding,
    Forest,
    LeakyRelu,
    OffsetWeights,
    ScaledQuantize,
)
from gatewright.quantize.activations import SiteFormat
from gatewright.quantize.constants import (
    Situation,
    refuse,
    round_affine,
    round_constant,
    round_forest,
    round_offsets,
    round_slope,
    round_table,
)
from gatewright.quantize.digits import cheapest, digits_of, on_grid
from gatewright.quantize.formats import Formats
from gatewright.quantize.forward import apply
from gatewright.quantize.learn import has_matrix, rows_of
from gatewright.quantize.material import Material, Prices
from gatewright.quantize.structure import Structure
from gatewright.quantize.weights import Quadratic, Round, choose, fit, output_grids

RIDGE = 0.02
"""Share of each input's spread by which the source's own weights are preferred."""

SENSITIVITY_FLOOR = 0.02
"""Share of the mean sensitivity that every row counts at least: a quantized neuron may be on where
the real one is off."""

ADDER_MARGIN = 3.0
"""Bits by which an adder is wider than the value that it adds."""

UNKNOWN_WIDTH = 8.0
"""Bits taken for a value whose type is not known: behind a quantizer not streamlined yet."""

OPEN = 2.0**50
"""Beyond every bias, in units of its grid."""


class Matrices:
    """The state of one quantization, and how constants are rounded on what is quantized already."""

    def __init__(
        self,
        structure: Structure,
        material: Material,
        prices: Prices,
        formats: Formats,
        reads: Mapping[str, Reals],
    ) -> None:
        self.structure, self.material = structure, material
        self.prices, self.formats, self.old_reads = prices, formats, reads
        self.values: dict[str, Reals] = {}
        self.types: dict[str, Intervals] = {}
        self.shapes = {i.name: i.shape for i in structure.graph.inputs}
        self.nodes: dict[str, Node] = {}
        self.renamed: dict[str, str] = {}
        self.sites: dict[str, SiteFormat] = {}
        self.reads: dict[str, Reals] = {}
        self.inputs: list[Input] = []
        taken = {i.name for i in structure.graph.inputs} | {n.name for n in structure.graph.nodes}
        self.taken = taken

    def _add(self, node: Node) -> None:
        """Append a node, with its type and values."""
        self.nodes[node.name] = node
        # A ScaledQuantize, and what follows it, gets a type when the model is streamlined.
        typed = all(name in self.types for name in node.inputs)
        if typed and not isinstance(node.op, ScaledQuantize):
            self.types[node.name] = node.op.infer(*(self.types[name] for name in node.inputs))
        self.values[node.name] = apply(node.op, *(self.values[name] for name in node.inputs))
        self.shapes[node.name] = self.values[node.name].shape[1:]

    def _sensitivity(self, name: str) -> Reals:
        """Return rows by elements of the last axis."""
        s = self.material.sensitivity[name]
        # What never mattered on these rows may matter on the next: one part in as many rows.
        return np.asarray(s + SENSITIVITY_FLOOR * s.mean(0) + s.mean() / len(s), np.float64)

    def _round_constants(self, node: Node, inputs: tuple[str, ...]) -> Op:
        """Return the operation with its constants rounded."""
        op = node.op
        if has_matrix(op):
            return self._dense(node, op, inputs[0])
        at = self._situation(node, inputs[0])
        if isinstance(op, Affine):
            return round_affine(op, at)
        if isinstance(op, LeakyRelu):
            return round_slope(op, at)
        if isinstance(op, Embedding):
            return round_table(op, at)
        if isinstance(op, Forest):
            return round_forest(op, at)
        if isinstance(op, OffsetWeights):
            return round_offsets(op, at)
        return round_constant(op, at) if isinstance(op, Constant) else refuse(op)

    def _situation(self, node: Node, source: str) -> Situation:
        """Gather what rounding of small constants asks for."""
        x, lut = self.values[source], self._lut(node)
        kind = self.types.get(source)
        width: Reals = (
            np.full(x.shape[1:], UNKNOWN_WIDTH) if kind is None else kind.width.astype(np.float64)
        )
        sensitivity = self.material.whole[node.name]
        return Situation(
            x=x[: len(sensitivity)],
            sensitivity=sensitivity,
            lut=lut,
            digit=lut * (width + ADDER_MARGIN),
            weight=self.formats.find("weight", node.layer, node.name),
            bias=self.formats.find("bias", node.layer, node.name),
            bits=self.formats.most_weight_bits,
            shared=self.formats.is_shared,
        )

    def _dense(self, node: Node, op: Op, source: str) -> Op:
        """Choose the matrix of a layer, or of each of its groups, on the quantized inputs.

        A value of G groups has shape (..., G, n), so every G-th of its rows belongs to a group.
        """
        weight, bias = (np.asarray(getattr(op, name)) for name in ("weight", "bias"))
        groups = len(weight) if weight.ndim == 3 else 1
        most = rows_of(op)
        index = self.material.rows.index(self.values[source].shape[1:], most)
        x = self.material.rows.take(self.values[source], most)
        own = (np.arange(len(x)) if index is None else index) % groups
        widths = self._width(source, groups, x.shape[-1])
        felt, target = self._sensitivity(node.name), self.material.real[node.name]
        shape = (groups, *weight.shape[-2:])
        parts = [
            self._matrix(node, x[own == g], target[own == g], felt[own == g], w, b, widths[g])
            for g, (w, b) in enumerate(
                zip(weight.reshape(shape), bias.reshape(groups, -1), strict=True)
            )
        ]
        weights = np.ascontiguousarray(np.stack([v.T for v, _ in parts]).reshape(weight.shape))
        biases = np.stack([b for _, b in parts]).reshape(bias.shape)
        self._count_reads(source, np.stack([digits_of(v).sum(0) for v, _ in parts]))
        fixed = self.formats.find("bias", node.layer, node.name)
        if fixed is not None:
            biases = on_grid(biases, fixed.frac, fixed.low, fixed.high)
        else:
            zero = with_matrix(op, weights, np.zeros(bias.shape))
            biases = on_grid(biases, self._bias_frac(source, zero, bias.shape), -OPEN, OPEN)
        return with_matrix(op, weights, biases)

    def _matrix(
        self,
        node: Node,
        x: Reals,
        target: Reals,
        felt: Reals,
        weight: Reals,
        bias: Reals,
        width: Reals,
    ) -> tuple[Reals, Reals]:
        """Return weights (outputs, inputs) of one matrix, and its best bias."""
        live = width > 0
        quadratic = fit(np.where(live, x, 0.0), target, felt, weight, bias, RIDGE)
        quadratic.weight[:, ~live] = 0.0
        price = self._lut(node) * (width + ADDER_MARGIN)
        round_to = self._weight_rule(node, quadratic)
        if round_to is None:
            v = choose(quadratic, price, cheapest)
        else:
            v = choose(quadratic, np.zeros_like(price), round_to)
        return v, quadratic.bias_for(v)

    def _weight_rule(self, node: Node, quadratic: Quadratic) -> Round | None:
        """Return how weights are rounded: to the user's format, to so many bits, or by digits."""
        fixed, bits = self.formats.find("weight", node.layer, node.name), None
        if fixed is None:
            bits = self.formats.most_weight_bits
            if bits is None:
                return None
            frac: Ints | int = output_grids(quadratic, bits)
            high = 2.0 ** (bits - 1) - 1
            low = -high  # the same magnitudes on both sides, as the field quantizes weights
        else:
            frac, low, high = fixed.frac, fixed.low, fixed.high
        return lambda u, a, p: on_grid(u, frac, low, high)

    def _bias_frac(self, source: str, op: Op, shape: tuple[int, ...]) -> Ints:
        """Return the grids of a layer's biases, given the layer without them.

        Where hardware is shared each output keeps the grid of its own products.
        """
        kind = self.types.get(source)
        if kind is None or not self.formats.is_shared:
            return np.asarray(self._accumulator_frac(source, op))
        frac = op.infer(kind).frac
        return np.asarray(frac.reshape(-1, *shape).max(0), np.int64)

    def _accumulator_frac(self, source: str, op: Op) -> int:
        """Return the grid of a layer's sums, given the layer without its bias."""
        kind = self.types.get(source)
        return 20 if kind is None else int(op.infer(kind).frac.max(initial=0))

    def _count_reads(self, source: str, digits: Ints) -> None:
        """Note on the sites behind a value how many adders read each element.

        Wiring between is followed back: an element of an image is read by several windows.
        """
        shape = self.values[source].shape[1:]
        counts = {
            source: np.broadcast_to(
                digits.astype(np.float64).reshape(digits.shape[-2 if len(digits) > 1 else -1 :]),
                shape,
            )
        }
        origins = {new: old for old, new in self.renamed.items()}
        while counts:
            name, count = counts.popitem()
            origin = origins.get(name, name)
            if origin in self.structure.sites:
                mean = count.reshape(-1, count.shape[-1] if count.ndim else 1).mean(0)
                self.reads[origin] = self.reads.get(origin, 0.0) + mean
                continue
            node = self.nodes.get(name)
            if node is None or not node.op.wiring or node.op.growth != "keeps":
                continue
            xs = [np.zeros((1, *self.shapes[n])) for n in node.inputs]
            pull = node.op.pullback(xs, count[None])
            assert pull is not None, f"wiring without a pullback: {node.op.kind}"
            for n, part in zip(node.inputs, pull(count[None]), strict=True):
                counts[n] = counts[n] + part[0] if n in counts else part[0]

    def _lut(self, node: Node) -> float:
        return self.prices.lut * self.prices.weight.get(node.name, 1.0)

    def _width(self, source: str, groups: int, n: int) -> Reals:
        """Return the bits of a value, by group and along its last axis."""
        kind = self.types.get(source)
        if kind is None:
            return np.full((groups, n), UNKNOWN_WIDTH)
        return np.asarray(kind.width.reshape(-1, groups, n).max(0), np.float64)

    def _name(self, wanted: str) -> str:
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted


def with_matrix(op: Op, weight: Reals, bias: Reals) -> Op:
    """Return an operation with another matrix."""
    return replace(op, weight=weight, bias=bias)  # type: ignore[type-var]
