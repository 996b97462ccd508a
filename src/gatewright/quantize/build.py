"""Quantize a model once, at given prices: constants and formats, layer after layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.ir import Input, Node, Op, Reals, located
from gatewright.num import Fixed, Intervals, Ints, Overflow, Rounding, dyadic
from gatewright.ops import (
    Clip,
    Dense,
    Quantize,
    Relu,
)
from gatewright.quantize.activations import (
    COARSEST,
    SiteFormat,
    choose_format,
    choose_one,
    quantizer,
    user_format,
    within,
)
from gatewright.quantize.digits import on_grid
from gatewright.quantize.material import Built
from gatewright.quantize.matrices import OPEN, Matrices
from gatewright.quantize.structure import READS_RAW, Site, Structure

ADDRESS_BITS = 12
"""Most bits that address a table."""

ADDRESS_PRICE = 12.0
"""LUTs that a bit of such an address costs at least."""


@dataclass(frozen=True, eq=False)
class Look:
    """What the format of a value is chosen on.

    Attributes:
        rows: of the value, along its last axis.
        sensitivity: of these, the cost of a squared error.
        extremes: smallest and largest to be expected, along the last axis.
        reads: adders that read a bit.
    """

    rows: Reals
    sensitivity: Reals
    extremes: tuple[Reals, Reals]
    reads: Reals


class Build(Matrices):
    """One quantization of a model."""

    def run(self) -> Built:
        """Quantize inputs and nodes in order."""
        graph, last = self.structure.graph, last_uses(self.structure)
        for i in graph.inputs:
            self._input(i)
        for node in graph.nodes:
            with located(graph, node):
                self._node(node)
            for name in last.get(node.name, ()):
                self.values.pop(name, None)
                self.values.pop(self.renamed.get(name, name), None)
        outputs = tuple(replace(o, value=self.renamed.get(o.value, o.value)) for o in graph.outputs)
        result = replace(
            graph, inputs=tuple(self.inputs), nodes=tuple(self.nodes.values()), outputs=outputs
        )
        return Built(result, self.sites, self.reads, self.types)

    def _input(self, i: Input) -> None:
        x = self.material.inputs[i.name]
        if i.type is not None:
            for op in i.encode:
                x = op.real(x)
            self.inputs.append(i)
            self.values[i.name], self.types[i.name] = x, i.type
            return
        site = self.structure.sites[i.name]
        if site.role == "index":
            self._index(i, site)
            return
        fixed = self.formats.find("input", i.name)
        chosen = self._format(site, x, None, fixed)
        op = quantizer(chosen, x.shape[1:], Rounding.RND)
        low, high, frac = op.format.lo, op.format.hi, op.format.frac
        encode: tuple[Op, ...] = (op,)
        least = self.material.extremes[i.name][0]
        if site.is_divisor and (least > 0).all():  # a type from one unit on
            low = np.maximum(low, 1)
            encode = (op, Clip(float(np.ldexp(1.0, -int(frac.min())))))
        self.types[i.name] = Intervals.of(*(np.broadcast_to(v, i.shape) for v in (low, high, frac)))
        for step in encode:
            x = step.real(x)
        self.values[i.name] = x
        self.inputs.append(replace(i, type=self.types[i.name], encode=(*i.encode, *encode)))

    def _index(self, i: Input, site: Site) -> None:
        """Take whole numbers as they are: in the range that their readers know, or were given."""
        least, most = self.material.extremes[i.name]
        low, high = min(site.limits[0], int(least.min())), max(site.limits[1], int(most.max()))
        fmt = Fixed.holding(low, high, 0)
        encode = (
            Quantize.to_format(fmt, Rounding.RND, Overflow.SAT),
            Clip(float(low), float(high)),
        )
        self.types[i.name] = Intervals.of(np.full(i.shape, low), np.full(i.shape, high), 0)
        self.values[i.name] = self.material.inputs[i.name]
        self.inputs.append(replace(i, type=self.types[i.name], encode=(*i.encode, *encode)))

    def _node(self, node: Node) -> None:
        """Round a node's constants, compute it, and give its result a format where wanted."""
        # A quantizer of the user's reads the value itself, not what it was rounded to for others.
        raw = isinstance(node.op, READS_RAW)
        inputs = tuple(n if raw else self.renamed.get(n, n) for n in node.inputs)
        site = self.structure.sites.get(node.name)
        if node.name in self.structure.weighted:
            node = replace(node, op=self._round_constants(node, inputs))
        given = None
        if node.op.rounds == "bits" and not node.op.is_formatted:
            given = self._given(node)
            types = (self.types[name] for name in inputs)
            node = replace(node, op=node.op.with_bits(self._bits(node), *types))
        if site is not None and site.role == "function":
            node = replace(node, op=self._function(node, inputs, site))
            site = None
        self._add(replace(node, inputs=inputs))
        if site is not None:
            self._quantize(self.nodes[node.name], site)
        elif given is not None:
            self._behind(
                self.nodes[node.name], Quantize.to_format(given, Rounding.RND, Overflow.SAT)
            )

    def _format(
        self, site: Site, x: Reals, bounds: tuple[Reals, Reals] | None, fixed: Fixed | None
    ) -> SiteFormat:
        """Choose a value's format, or take the user's."""
        look = self._look(site, x)
        rows = look.rows
        if fixed is not None:
            chosen = user_format(rows, fixed)
        else:
            per_bit = look.reads + 1.0
            if site.is_address:
                per_bit = per_bit + ADDRESS_PRICE
            lut = self.prices.lut * self.prices.site.get(site.value, 1.0)
            limiter = np.inf if site.is_output and bounds is not None else 6 * lut
            grid = grid_of(rows) if site.role == "input" else None
            choose = choose_one if self.formats.is_shared else choose_format
            chosen = choose(
                rows, look.sensitivity, lut * per_bit, limiter, look.extremes, bounds, grid
            )
            most = self.formats.activation_bits
            if most is not None and site.is_factor and site.role != "input":
                chosen = within(chosen, most, rows, look.sensitivity, look.extremes)
            if site.is_address:
                finest = ADDRESS_BITS - chosen.signed - chosen.top
                chosen = replace(chosen, frac=np.minimum(chosen.frac, finest))
            if site.is_divisor:
                chosen = self._without_zero(site, chosen, bounds)
        self.sites[site.value] = chosen
        return chosen

    def _without_zero(
        self, site: Site, chosen: SiteFormat, bounds: tuple[Reals, Reals] | None
    ) -> SiteFormat:
        """Return one format for all in which the smallest divisor is a unit at least."""
        low, high = self.material.extremes[site.value] if bounds is None else bounds
        nearest = np.where(low > 0, low, np.where(high < 0, -high, 0.0)).min()
        if nearest <= 0:
            return chosen  # `infer` of the division says what to do
        unit = -int(np.floor(np.log2(nearest)))
        frac = np.full(chosen.frac.shape, max(int(chosen.frac.max()), unit))
        return replace(chosen, frac=frac)

    def _is_tied(self, name: str) -> bool:
        """Say whether a node is one of several that are one operation."""
        return False

    def _look(self, site: Site, x: Reals) -> Look:
        """Return what the format of a value is chosen on."""
        rows = self.material.rows.take(x)
        extremes = self._extremes(site.value, rows)
        reads = self.old_reads.get(site.value, np.zeros(rows.shape[1]))
        return Look(rows, self._sensitivity(site.value), extremes, reads)

    def _extremes(self, value: str, rows: Reals) -> tuple[Reals, Reals]:
        """Return the smallest and largest values to be expected, by the last axis."""
        low, high = self.material.extremes[value]
        return np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))

    def _quantize(self, node: Node, site: Site) -> None:
        """Put a quantizer behind a node."""
        kind = self.types.get(node.name)
        fixed = self.formats.find("activation", node.layer, node.name)
        x = self.values[node.name]
        bounds = None
        if kind is not None:
            low, high = kind.low_value, kind.high_value
            bounds = (
                low.reshape(-1, low.shape[-1] if low.ndim else 1).min(0),
                high.reshape(-1, high.shape[-1] if high.ndim else 1).max(0),
            )
        chosen = self._format(site, x, bounds, fixed)
        rounding = Rounding.RND
        if site.dense and self._take_half(node, site, chosen):
            rounding = Rounding.TRN
        op = quantizer(chosen, x.shape[1:], rounding)
        # Of one format for all elements all have the same range, also at the edge of an image.
        self._behind(node, replace(op, whole=self.formats.is_shared or self._is_tied(node.name)))

    def _behind(self, node: Node, op: Quantize) -> None:
        """Add a quantizer behind a node."""
        name, tie = self._name(node.name + "_q"), node.tie and f"{node.tie}_q"
        self._add(replace(node, name=name, op=op, inputs=(node.name,), tie=tie))
        self.renamed[node.name] = name

    def _take_half(self, node: Node, site: Site, chosen: SiteFormat) -> bool:
        """Add half a unit to the bias of the dense node before, so that dropping bits rounds."""
        dense = self.nodes[site.dense]
        if self.formats.find("bias", dense.layer, dense.name) is not None:
            return False
        if site.dense not in self.structure.weighted:
            return False
        chain = [node]
        while chain[-1].name != site.dense:
            op = chain[-1].op
            if isinstance(op, Relu) and op.high is not None:
                units = np.ldexp(op.high, chosen.frac.astype(np.int32))
                if (units != np.floor(units)).any():
                    return False
            chain.append(self.nodes[chain[-1].inputs[0]])
        assert isinstance(dense.op, Dense)
        live = chosen.width > 0
        frac = chosen.frac.astype(np.int32)
        grid = np.where(live, frac + 2, 0)
        half = np.where(live, np.ldexp(0.5, -frac), 0.0)
        bias = on_grid(dense.op.bias, grid, -OPEN, OPEN) + half
        bias = np.where(live, bias, 0.0)
        weight = np.where(live, dense.op.weight, 0.0)
        self._add(replace(dense, op=Dense(weight, bias)))
        for link in reversed(chain[:-1]):
            self._add(link)
        return True

    def _function(self, node: Node, inputs: tuple[str, ...], site: Site) -> Op:
        """Choose the format of a result that the operation itself rounds."""
        y = node.op.real(*(self.values[name] for name in inputs))
        fixed = self.formats.find("activation", node.layer, node.name)
        chosen = self._format(site, y, None, fixed)
        types = (self.types[name] for name in inputs if name in self.types)
        return node.op.with_format(quantizer(chosen, y.shape[1:], Rounding.RND), *types)

    def _given(self, node: Node) -> Fixed | None:
        """Return the user's format of a node, or of the layer whose answer it is."""
        inside = any(
            node.name in other.inputs and node.layer and other.layer == node.layer
            for other in self.structure.graph.nodes
        )
        return self.formats.find("activation", node.name, "" if inside else node.layer)

    def _bits(self, node: Node) -> int:
        fixed = self.formats.find("activation", node.layer, node.name)
        return self.prices.softmax if fixed is None else max(fixed.frac, 1)


def grid_of(rows: Reals) -> Ints:
    """Return the binary points on which columns of numbers stand: 0 or less for whole numbers."""
    frac = dyadic(rows)[1]
    return np.asarray(np.where(rows != 0, frac, COARSEST).max(0), np.int64)


def last_uses(structure: Structure) -> dict[str, list[str]]:
    """Return, of each node, the values that nothing needs once it is done.

    A quantizer that takes its rounding from a dense node computes that one again.
    """
    graph = structure.graph
    nodes = {node.name: node for node in graph.nodes}
    last: dict[str, str] = {}
    for node in graph.nodes:
        needs = list(node.inputs)
        site = structure.sites.get(node.name)
        link = node
        while site is not None and site.dense and link.name != site.dense:
            link = nodes[link.inputs[0]]
            needs += link.inputs
        last.update(dict.fromkeys(needs, node.name))
    result: dict[str, list[str]] = {}
    for value, reader in last.items():
        result.setdefault(reader, []).append(value)
    return result
