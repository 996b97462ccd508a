"""Make the integer graph that the chosen binary points describe."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gatewright.ir import Graph, Node, Op, Reals, located
from gatewright.num import Overflow, Rounding, dyadic
from gatewright.ops import (
    Affine,
    Compare,
    Constant,
    Dense,
    Divide,
    Function,
    Multiply,
    Quantize,
)
from gatewright.ops.functions import apply_function
from gatewright.quantize.bounded.parts import Parts
from gatewright.quantize.bounded.values import (
    GUARD,
    Value,
    address_point,
    bits,
    coefficient_points,
    half,
    limits_of,
    on_points,
)


class Builder(Parts):
    """One integer graph."""

    def run(self) -> Graph:
        """Return the integer graph."""
        graph = self.model.graph
        for node in self.model.live:
            with located(graph, node):
                self._node(node)
        outputs = tuple(replace(o, value=self.now[o.value]) for o in graph.outputs)
        return replace(graph, inputs=self.inputs, nodes=tuple(self.nodes), outputs=outputs)

    def _node(self, node: Node) -> None:
        x = [self.now[n] for n in self.model.operands(node)]
        point = self.points.get(node.name, self.points[""])
        value = self.values[node.name]
        op = node.op
        if node.name in self.model.singles:
            made = self._single(node, x[0], point)
        elif isinstance(op, Constant):
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

        def real(v: Reals) -> Reals:
            return apply_function(op.name, np.clip(v, *limits), op.parameters)

        return self._answered(node, real, x, (low, high), point, (width, out))

    def _single(self, node: Node, x: str, point: int) -> str:
        """Build a term of one input as a function of it."""
        single = self.model.singles[node.name]
        operand, value = self.values[single.variable], self.values[node.name]
        kind, real = self.types[x], single.function
        out = float(bits(value.lo, value.hi, point).max())
        ends = int(kind.lo.min()), int(kind.hi.max())
        return self._answered(node, real, x, ends, point, (operand.width, out))
