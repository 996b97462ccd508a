"""Make the integer graph that the chosen binary points describe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gatewright.base import Namer, OptionError, Place, VerificationError
from gatewright.ir import Graph, Input, Node, Op, Reals, located
from gatewright.num import Fixed, Intervals, Overflow, Rounding, dyadic
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Compare,
    Constant,
    Dense,
    Divide,
    Function,
    Lookup,
    Multiply,
    Quantize,
    Where,
)
from gatewright.ops.functions import apply_function
from gatewright.quantize.bounded.errors import (
    GUARD,
    WIDEST_TABLE,
    Model,
    Value,
    address_point,
    bits,
    coefficient_points,
    half,
    limits_of,
    on_points,
    prefers_polynomial,
)
from gatewright.quantize.bounded.polynomial import fit

Call = Callable[[Reals], Reals]
"""A function of real numbers, elementwise."""

NARROW = 10
"""Bits of an operand up to which the last piece of a steep function is a table."""

OCTAVES = 3
"""A piece of a steep function goes from its largest operand to that divided by 2**3."""


class Builder:
    """One integer graph.

    Args:
        model: the real one, and its ranges.
        points: chosen binary points.
        inputs: with types, as the host encodes them.
    """

    def __init__(self, model: Model, points: Mapping[str, int], inputs: tuple[Input, ...]) -> None:
        self.model = model
        self.points = points
        self.values, self.luts = model.run(points)
        self.inputs = inputs
        self.types: dict[str, Intervals] = {}
        for i in inputs:
            assert i.type is not None
            self.types[i.name] = i.type
        graph = model.graph
        self.namer = Namer([*self.types, *(n.name for n in graph.nodes)])
        self.now: dict[str, str] = {name: name for name in self.types}
        self.nodes: list[Node] = []

    def run(self) -> Graph:
        """Return the integer graph."""
        graph = self.model.graph
        for node in graph.nodes:
            with located(graph, node):
                self._node(node)
        outputs = tuple(replace(o, value=self.now[o.value]) for o in graph.outputs)
        return replace(graph, inputs=self.inputs, nodes=tuple(self.nodes), outputs=outputs)

    def _node(self, node: Node) -> None:
        x = [self.now[n] for n in node.inputs]
        point = self.points.get(node.name, self.points[""])
        value = self.values[node.name]
        op = node.op
        if isinstance(op, Constant):
            values = np.asarray(op.values, np.float64)
            points = np.minimum(dyadic(values)[1], point + 1)
            made = self._add(node, Constant(on_points(values, points)), *x)
        elif isinstance(op, Affine | Dense):
            made = self._linear(node, x, point)
        elif isinstance(op, Multiply):
            made = self._fitted(node, self._add(node, op, *x), value)
        elif isinstance(op, Divide):
            made = self._divide(node, x, value)
        elif isinstance(op, Function) and op.name == "square":
            made = self._fitted(node, self._add(node, Multiply(), x[0], x[0]), value)
        elif isinstance(op, Function):
            made = self._function(node, op, x[0], point)
        elif isinstance(op, Compare):
            made = self._compare(node, op, x)
        else:
            made = self._add(node, op, *x)
        self.now[node.name] = made

    def _add(self, node: Node, op: Op, *x: str, hint: str = "") -> str:
        """Append an operation that a node is made of; the first bears its name."""
        name = node.name if node.name not in self.types else self.namer.name(hint, "t")
        self.types[name] = op.infer(*(self.types[n] for n in x))
        self.nodes.append(Node(name, op, x, node.layer))
        return name

    # ---- rounding

    def _format(self, value: Value, point: int, more: float = 0.0) -> Fixed:
        """Return the narrowest format of what the firmware can have there."""
        low = float((value.lo - value.error - more).min())
        high = float((value.hi + value.error + more).max())
        ends = math.floor(math.ldexp(low, point)), math.ceil(math.ldexp(high, point))
        return Fixed.holding(ends[0], ends[1], point)

    def _fitted(
        self, node: Node, name: str, value: Value, rounding: Rounding = Rounding.RND
    ) -> str:
        """Round a result to its binary point; bits that it cannot use are dropped."""
        kind = self.types[name]
        point = value.point
        finer = int(kind.frac.max()) > point
        fmt = self._format(value, point if finer else int(kind.frac.max()))
        if not finer and fmt.width >= int(kind.width.max()):
            return name
        op = Quantize.to_format(fmt, rounding, Overflow.WRAP)
        return self._add(node, op, name, hint=f"{node.name}_q")

    def _inside(self, node: Node, name: str, of: str) -> str:
        """Limit an operand to what the real model reaches: that never adds to its error."""
        real = self.values[of]
        point = real.point
        low = math.ldexp(math.floor(math.ldexp(float(real.lo.min()), point)), -point)
        high = math.ldexp(math.ceil(math.ldexp(float(real.hi.max()), point)), -point)
        return self._add(node, Clip(low, high), name, hint=f"{node.name}_limited")

    # ---- operations

    def _linear(self, node: Node, x: list[str], point: int) -> str:
        """Round the constants; half a unit in the bias makes dropping bits round."""
        op, operand = node.op, self.values[node.inputs[0]]
        value = self.values[node.name]
        each = isinstance(op, Affine)
        if isinstance(op, Affine):
            shape = operand.lo.shape
            weight, bias = (np.broadcast_to(v, shape) for v in (op.scale, op.offset))
            weight = weight[:, None]
        else:
            assert isinstance(op, Dense)
            weight, bias = op.weight, op.bias
        reach = (operand.far + operand.error)[:, None]
        points = coefficient_points(weight, np.broadcast_to(reach, weight.shape), point)
        weight = on_points(weight, points)
        bias = on_points(bias, np.minimum(dyadic(bias)[1], point + GUARD))

        def made(offset: Reals) -> Op:
            return Affine(weight[:, 0], offset) if each else Dense(weight, offset)

        exact = made(bias).infer(*(self.types[n] for n in x))
        if int(exact.frac.max()) <= point:
            return self._fitted(node, self._add(node, made(bias), *x), value)
        name = self._add(node, made(bias + half(point)), *x)
        rounded = replace(value, point=point)
        return self._fitted(node, name, rounded, Rounding.TRN)

    def _divide(self, node: Node, x: list[str], value: Value) -> str:
        kind = self.types[x[1]]
        if ((kind.lo <= 0) & (kind.hi >= 0)).any():
            x = [x[0], self._inside(node, x[1], node.inputs[1])]
        fmt = self._format(value, value.point)
        out = Quantize.to_format(fmt, Rounding.RND, Overflow.WRAP)
        return self._add(node, Divide(out), *x)

    def _compare(self, node: Node, op: Compare, x: list[str]) -> str:
        a, b = (self.values[n] for n in node.inputs)
        found = self.model.exact_constant(node, a, b)
        if found is not None:
            number, moved = found
            constant = self._add(node, Constant(np.full(1, moved)), x[1 - number])
            x[number] = constant
            return self._add(node, op, *x, hint=f"{node.name}_met")
        return self._add(node, op, *x)

    # ---- functions

    def _function(self, node: Node, op: Function, x: str, point: int) -> str:
        operand, value = self.values[node.inputs[0]], self.values[node.name]
        address = address_point(op, operand, point)
        off = operand.error + (half(address) if address < operand.point else 0.0)
        if int(self.types[x].frac.max()) > address:
            fmt = self._format(operand, address, half(address))
            quantizer = Quantize.to_format(fmt, Rounding.RND, Overflow.WRAP)
            x = self._add(node, quantizer, x, hint=f"{node.name}_of")
        kind = self.types[x]
        grid = int(kind.frac.max())
        limits = limits_of(op, operand, address)
        assert limits is not None, "the rules have left it out"
        low = math.floor(math.ldexp(limits[0], grid))
        high = math.ceil(math.ldexp(limits[1], grid))
        width = float(bits(operand.lo - off, operand.hi + off, address).max())
        out = float(bits(value.lo, value.hi, point).max())
        made = None

        def real(v: Reals) -> Reals:
            return apply_function(op.name, np.clip(v, *limits), op.parameters)

        if prefers_polynomial(width, out):
            made = self._smooth(node, real, x, low, high, point)
            if made is None:
                made = self._pieces(node, real, x, low, high, point)
        codes = int(kind.hi.max()) - int(kind.lo.min())
        if made is None and codes.bit_length() <= WIDEST_TABLE:
            made = self._table(node, real, x, low, high, point)
        if made is None:
            raise OptionError(
                "a function of an expression is too steep for this output error",
                place=Place(self.model.graph.source, node.layer),
                found=f"{op.name} of {width:.0f} bits",
                supported=f"functions of up to {WIDEST_TABLE} bits, and wider ones that are smooth "
                "or steep at their smallest operand only",
                remedy="ask for a larger error, or limit the operand away from where it is steep",
            )
        fmt = self._format(value, point)
        if fmt.width < int(self.types[made].width.max()):
            made = self._add(node, Quantize.to_format(fmt), made, hint=f"{node.name}_q")
        return made

    def _table(self, node: Node, real: Call, x: str, low: int, high: int, point: int) -> str:
        """Store every answer; operands that the real model does not reach repeat the nearest."""
        kind = self.types[x]
        grid, first, last = int(kind.frac.max()), int(kind.lo.min()), int(kind.hi.max())
        codes = np.clip(np.arange(first, last + 1), low, high)
        answers = real(np.ldexp(codes.astype(np.float64), -grid))
        if not np.isfinite(answers).all():
            raise VerificationError(
                "a function has no answer inside the range that was derived",
                remedy="this is a defect of Gatewright: please report the model",
            )
        words = np.ldexp(np.rint(np.ldexp(answers, point)), -point)
        return self._add(node, Lookup.of_values(words, first, grid), x, hint=f"{node.name}_table")

    def _pieces(
        self, node: Node, real: Call, x: str, low: int, high: int, point: int
    ) -> str | None:
        """Build a function that is steep at its smallest operand, three octaves a piece."""
        grid = int(self.types[x].frac.max())
        if int(self.types[x].lo.min()) < low or int(self.types[x].hi.max()) > high:
            ends = math.ldexp(low, -grid), math.ldexp(high, -grid)
            x = self._add(node, Clip(*ends), x, hint=f"{node.name}_limited")
        if low < 0:  # count from the smallest operand
            begin = math.ldexp(low, -grid)
            x = self._add(node, Affine(np.ones(1), np.full(1, -begin)), x, hint=f"{node.name}_from")
            return self._octaves(node, lambda v: real(v + begin), x, 0, high - low, point)
        return self._octaves(node, real, x, low, high, point)

    def _octaves(
        self, node: Node, real: Call, x: str, low: int, high: int, point: int
    ) -> str | None:
        """Build the function of `low..high`, the operand not below 0 and no larger."""
        if high.bit_length() <= NARROW:
            return self._table(node, real, x, low, high, point)
        made = self._smooth(node, real, x, low, high, point)
        if made is not None:
            return made
        cut = high.bit_length() - OCTAVES
        if low >> cut:
            return None
        grid = int(self.types[x].frac.max())
        upper = self._smooth(node, real, x, 1 << cut, high, point)
        if upper is None:
            return None
        rest = self._add(node, Quantize.to(False, cut, grid), x, hint=f"{node.name}_low")
        lower = self._octaves(node, real, rest, low, (1 << cut) - 1, point)
        if lower is None:
            return None
        border = Constant(np.full(1, math.ldexp(1.0, cut - grid)))
        limit = self._add(node, border, x, hint=f"{node.name}_border")
        above = self._add(node, Compare("greater_equal"), x, limit, hint=f"{node.name}_above")
        return self._add(node, Where(), above, upper, lower, hint=f"{node.name}_piece")

    def _smooth(
        self, node: Node, real: Call, x: str, low: int, high: int, point: int
    ) -> str | None:
        """Build a piecewise polynomial: tables of coefficients, and Horner's scheme."""
        kind = self.types[x]
        grid = int(kind.frac.max())
        p = fit(real, low, high, grid, point)
        if p is None:
            return None
        first, last = (int(v) >> p.shift for v in (kind.lo.min(), kind.hi.max()))
        segments = Fixed.holding(first, last, grid - p.shift)
        top = self._add(node, Quantize.to_format(segments), x, hint=f"{node.name}_segment")
        rest = self._add(node, Quantize.to(False, p.shift, grid), x, hint=f"{node.name}_rest")
        known = np.clip(np.arange(first, last + 1) - p.first, 0, p.coefficients.shape[1] - 1)
        total = ""
        for k in range(p.degree, -1, -1):
            words = p.coefficients[k][known]
            after = p.points[k - 1] if k else point
            if k == 0:  # half a unit here makes dropping bits round
                words = words + (1 << (p.points[0] - after - 1))
            reals = np.ldexp(words.astype(np.float64), -p.points[k])
            table = Lookup.of_values(reals, first, grid - p.shift)
            row = self._add(node, table, top, hint=f"{node.name}_c{k}")
            total = self._add(node, Add(), total, row, hint=f"{node.name}_sum") if total else row
            if k:
                total = self._add(node, Multiply(), total, rest, hint=f"{node.name}_product")
            total = self._rounded(node, total, after, Rounding.RND if k else Rounding.TRN)
        return total

    def _rounded(self, node: Node, name: str, point: int, rounding: Rounding) -> str:
        """Round a result to a binary point, in a format that holds all of it."""
        kind = self.types[name]
        if int(kind.frac.max()) <= point:
            return name
        shift = int(kind.frac.max()) - point
        low, high = int(kind.lo.min()) >> shift, (int(kind.hi.max()) >> shift) + 1
        fmt = Fixed.holding(low, high, point)
        return self._add(
            node, Quantize.to_format(fmt, rounding, Overflow.WRAP), name, hint=f"{node.name}_r"
        )
