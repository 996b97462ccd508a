"""How far the firmware's values can be from the real ones, and what they cost, by binary points.

Every value carries its real range, the largest distance of firmware and real model, its binary
point and its width. A rule for each operation derives them from its operands' (forward error
analysis); nothing is measured. What `build` makes rounds as the rules say, or finer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.booth import product_luts
from gatewright.ir import Graph, Node, Reals
from gatewright.num import dyadic
from gatewright.ops import (
    Absolute,
    Add,
    Affine,
    Compare,
    Concatenate,
    Constant,
    Dense,
    Divide,
    Function,
    Maximum,
    Minimum,
    Multiply,
    Sign,
    Slice,
    Subtract,
    Where,
)
from gatewright.quantize.bounded import functions
from gatewright.quantize.bounded.ranges import Range, Ranges
from gatewright.quantize.bounded.single import singles
from gatewright.quantize.bounded.values import (
    FLOAT,
    GUARD,
    WIDEST_POLYNOMIAL,
    Value,
    address_point,
    bits,
    coefficient_points,
    half,
    limits_of,
    on_points,
    polynomial_luts,
    prefers_polynomial,
    table_luts,
)

LONG = 16
"""Digits behind the binary point from which on a constant is rounded to a point of its own."""

ROUNDED = (Affine, Dense, Divide, Function, Multiply)
"""Operations whose results are rounded to a binary point of their own."""


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        error: before the result is rounded.
        exact: binary point before the result is rounded.
        luts: estimate of its circuit.
        faithful: its own rounding may be off by a unit, not half of one.
    """

    error: Reals
    exact: int
    luts: float
    faithful: bool = False


def _choice(op: Constant, other: Value, relation: str, flip: bool) -> float | None:
    """Return what a constant may be replaced by where an exact number is compared with it."""
    if other.error.any():
        return None
    if flip:
        relation = relation.replace("less", "#").replace("greater", "less").replace("#", "greater")
    scaled = float(op.values.ravel()[0]) * 2.0**other.point
    if relation in ("equal", "not_equal"):
        moved = scaled if scaled == math.floor(scaled) else math.floor(scaled) + 0.5
    else:
        moved = math.floor(scaled) if relation in ("greater", "less_equal") else math.ceil(scaled)
    return moved * 2.0**-other.point


class Model:
    """A real graph, its ranges, and the rules.

    Args:
        graph: of operations that `ranges` knows.
        ranges: of its values.
        points: binary point of each input.
    """

    def __init__(self, graph: Graph, ranges: Ranges, points: Mapping[str, int]) -> None:
        self.graph = graph
        self.ranges = ranges
        self.points = dict(points)
        self.nodes = {node.name: node for node in graph.nodes}
        self.singles = singles(graph)
        self.needed = self._needed()
        self.live = tuple(n for n in graph.nodes if n.name in self.needed)
        self.rounded = [n.name for n in self.live if self.is_rounded(n) or self._is_long(n)]
        self.rules: dict[type, Callable[[Node, list[Value], Range, int], Step]] = {
            Absolute: self._same, Add: self._sum, Affine: self._affine, Compare: self._compare,
            Concatenate: self._join, Constant: self._constant, Dense: self._dense,
            Divide: self._divide, Function: self._function, Maximum: self._larger,
            Minimum: self._larger, Multiply: self._multiply, Sign: self._sign,
            Slice: self._slice, Subtract: self._sum, Where: self._where,
        }  # fmt: skip

    def is_rounded(self, node: Node) -> bool:
        """Say whether a result has a binary point of its own."""
        return isinstance(node.op, ROUNDED) or node.name in self.singles

    def _is_long(self, node: Node) -> bool:
        """Say whether a node is a constant with more digits than any other value may need."""
        return isinstance(node.op, Constant) and bool((dyadic(node.op.values)[1] > LONG).any())

    def operands(self, node: Node) -> tuple[str, ...]:
        """Return what a node is made from: a term of one input from that input alone."""
        single = self.singles.get(node.name)
        return node.inputs if single is None else (single.variable,)

    def _needed(self) -> set[str]:
        needed = {o.value for o in self.graph.outputs}
        for node in reversed(self.graph.nodes):
            if node.name in needed:
                needed.update(self.operands(node))
        return needed

    def run(self, points: Mapping[str, int]) -> tuple[dict[str, Value], float]:
        """Return every value, and the estimated LUTs, with results rounded to binary points.

        Args:
            points: of the operations in `rounded` and of constants (`constants`).
        """
        values: dict[str, Value] = {}
        total = 0.0
        for i in self.graph.inputs:
            r = self.ranges[i.name]
            values[i.name] = Value(r.lo[0], r.hi[0], np.zeros(r.lo.shape[1]), self.points[i.name])
        with np.errstate(all="ignore"):
            for node in self.live:
                values[node.name], luts = self._value(node, values, points)
                total += luts
        return values, total

    def _value(
        self, node: Node, values: Mapping[str, Value], points: Mapping[str, int]
    ) -> tuple[Value, float]:
        point = points.get(node.name, points[""])
        r = self.ranges[node.name]
        rule = self._single if node.name in self.singles else self.rules[type(node.op)]
        step = rule(node, [values[n] for n in self.operands(node)], r, point)
        error, exact = step.error, step.exact
        if self.is_rounded(node) and exact > point:
            error = error + half(point) * (2 if step.faithful else 1)
            exact = point
        error = np.where(np.isnan(error), np.inf, error)
        return Value(r.lo[0], r.hi[0], np.broadcast_to(error, r.lo[0].shape), exact), step.luts

    # ---- rules

    def _slice(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        return Step(node.op.real(x[0].error[None])[0], x[0].point, 0.0)

    def _join(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        error = node.op.real(*(v.error[None] for v in x))[0]
        return Step(error, max(v.point for v in x), 0.0)

    def _same(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        return Step(x[0].error, x[0].point, x[0].width)

    def _constant(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        assert isinstance(node.op, Constant)
        values = np.asarray(node.op.values, np.float64)
        points = np.minimum(dyadic(values)[1], point + 1)
        error = np.abs(values - on_points(values, points))
        return Step(error, int(points.max()), 0.0)

    def _sum(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        a, b = x
        exact = max(a.point, b.point)
        return Step(a.error + b.error, exact, max(a.width, b.width))

    def _larger(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        a, b = x
        return Step(np.maximum(a.error, b.error), max(a.point, b.point), 2 * max(a.width, b.width))

    def _affine(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        assert isinstance(node.op, Affine)
        scale, offset = (np.broadcast_to(v, x[0].lo.shape) for v in (node.op.scale, node.op.offset))
        return self._linear(scale[:, None], offset, x[0], point, each=True)

    def _dense(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        assert isinstance(node.op, Dense)
        return self._linear(node.op.weight, node.op.bias, x[0], point)

    def _linear(self, weight: Reals, bias: Reals, x: Value, point: int, each: bool = False) -> Step:
        """Constants rounded to the points they need, and one rounding of the sum."""
        reach = (x.far + x.error)[:, None]
        points = coefficient_points(weight, np.broadcast_to(reach, weight.shape), point)
        off = np.abs(weight - on_points(weight, points))
        terms = off * reach + np.abs(weight) * x.error[:, None]
        moved = terms[:, 0] if each else terms.sum(0)
        exact = int((points + x.point).max(initial=-60, where=weight != 0))
        bias_points = np.minimum(dyadic(bias)[1], point + GUARD)
        moved = moved + np.abs(bias - on_points(bias, bias_points))
        exact = max(exact, int(np.max(bias_points, initial=-60, where=bias != 0)))
        digits = float(np.minimum(np.maximum(points + 4, 1) / 3, 5)[weight != 0].sum())
        return Step(moved, exact, max(digits - 0.5, 0.5) * (x.width + 2))

    def _multiply(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        a, b = x
        error = a.far * b.error + b.far * a.error + a.error * b.error
        luts = product_luts((int(a.width), a.is_signed), (int(b.width), b.is_signed))
        return Step(error, a.point + b.point, luts)

    def _divide(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        a, b = x
        near = np.maximum(np.maximum(b.lo, -b.hi), 0.0)
        left = np.where(np.floor(np.ldexp(near, b.point)) >= 1, near - b.error, 0.0)
        error = np.where(left > 0, (a.error + r.far[0] * b.error) / left, np.inf)
        digits = float(bits(r.lo[0], r.hi[0], point).max()) + 2
        return Step(error, point + 1, 1.5 * digits * (b.width + 1))

    def _single(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        """Answer the exact operand: nothing is off but the answer's own rounding."""
        out = float(bits(r.lo[0], r.hi[0], point).max())
        error = FLOAT * r.far[0]
        if prefers_polynomial(x[0].width, out):
            return Step(error, point + 1, polynomial_luts(x[0].width, out), True)
        return Step(error, point + 1, table_luts(x[0].width, out))

    def _function(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        op, value = node.op, x[0]
        assert isinstance(op, Function)
        if op.name == "square":
            error = (2 * value.far + value.error) * value.error
            sides = int(value.width), value.is_signed
            return Step(error, 2 * value.point, product_luts(sides, sides))
        address = address_point(op, value, point)
        off = value.error + (half(address) if address < value.point else 0.0)
        limits = limits_of(op, value, address)
        error = np.full(value.lo.shape, np.inf)
        if limits is not None:
            real = functions.clipped(op.name, op.parameters, value.lo, value.hi)
            error = functions.moved(op.name, op.parameters, real, limits, off)
        width = float(bits(value.lo - off, value.hi + off, address).max())
        out = float(bits(r.lo[0], r.hi[0], point).max())
        error = error + FLOAT * r.far[0]
        if not prefers_polynomial(width, out):
            return Step(error, point + 1, table_luts(width, out))
        if width > WIDEST_POLYNOMIAL:
            error = np.full(error.shape, np.inf)
        return Step(error, point + 1, polynomial_luts(width, out), True)

    def too_wide(self, values: Mapping[str, Value], point: int) -> tuple[str, int] | None:
        """Return a function whose operand has too many bits for a polynomial, and their number."""
        for node in self.live:
            if node.name in self.singles:
                continue
            if isinstance(node.op, Function) and node.op.name != "square":
                x = values[node.inputs[0]]
                if not np.isfinite(x.error).all():
                    return None
                address = address_point(node.op, x, point)
                width = int(bits(x.lo - x.error, x.hi + x.error, address).max())
                if width > WIDEST_POLYNOMIAL:
                    return node.name, width
        return None

    def _compare(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        a, b = x
        slack = a.error + b.error
        if self.exact_constant(node, a, b) is not None:
            slack = np.zeros_like(slack)
        apart = np.maximum(a.lo - b.hi, b.lo - a.hi)
        luts = max(a.width, b.width) / 2
        return Step(np.where((slack > 0) & (apart <= slack), 1.0, 0.0), 0, luts)

    def exact_constant(self, node: Node, a: Value, b: Value) -> tuple[int, float] | None:
        """Return which operand of a comparison is a constant, and what it may be replaced by."""
        assert isinstance(node.op, Compare)
        for number, other in ((0, b), (1, a)):
            op = self.nodes.get(node.inputs[number])
            if op is not None and isinstance(op.op, Constant):
                found = _choice(op.op, other, node.op.relation, flip=number == 0)
                if found is not None:
                    return number, found
        return None

    def _sign(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        v = x[0]
        known = (v.error == 0) | (v.lo > v.error) | (v.hi < -v.error)
        return Step(np.where(known, 0.0, 2.0), 0, v.width / 6 + 1)

    def _where(self, node: Node, x: list[Value], r: Range, point: int) -> Step:
        c, a, b = x
        both = np.maximum(a.error, b.error)
        jump = np.maximum(a.hi - b.lo, b.hi - a.lo) + both
        error = np.where(c.error > 0, jump, both)
        return Step(error, max(a.point, b.point), max(a.width, b.width) / 2)
