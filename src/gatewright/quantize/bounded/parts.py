"""What the integer graph of expressions is made of: rounded results, tables, polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from gatewright.base import Namer, OptionError, Place, VerificationError
from gatewright.ir import Input, Node, Op, Reals
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Compare,
    Constant,
    Lookup,
    Multiply,
    Quantize,
    Where,
)
from gatewright.quantize.bounded.errors import Model
from gatewright.quantize.bounded.polynomial import fit
from gatewright.quantize.bounded.text import text_of
from gatewright.quantize.bounded.values import WIDEST_TABLE, Value, prefers_polynomial

Call = Callable[[Reals], Reals]
"""A function of real numbers, elementwise."""

NARROW = 10
"""Bits of an operand up to which the last piece of a steep function is a table."""

OCTAVES = 3
"""A piece of a steep function goes from its largest operand to that divided by 2**3."""


class Parts:
    """Nodes of one integer graph.

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

    # ---- functions

    def _answered(
        self,
        node: Node,
        real: Call,
        x: str,
        ends: tuple[int, int],
        point: int,
        widths: tuple[float, float],
    ) -> str:
        """Build a function by a table or a polynomial.

        Args:
            node: that it is of.
            real: the function.
            x: the operand.
            ends: the least and largest operand that has an answer of its own.
            point: binary point of the answers.
            widths: bits of the operand and of the answers, as the rules have them.
        """
        kind, value = self.types[x], self.values[node.name]
        made = None
        if prefers_polynomial(*widths):
            # Tried at every operand of the type: `real` answers those beyond with the nearest.
            whole = min(ends[0], int(kind.lo.min())), max(ends[1], int(kind.hi.max()))
            made = self._smooth(node, real, x, *whole, point)
            if made is None:
                made = self._pieces(node, real, x, *ends, point)
        codes = int(kind.hi.max()) - int(kind.lo.min())
        if made is None and codes.bit_length() <= WIDEST_TABLE:
            made = self._table(node, real, x, *ends, point)
        if made is None:
            raise OptionError(
                "a function of an expression is too steep for this output error",
                place=Place(self.model.graph.source, node.layer),
                found=f"`{text_of(self.model.graph, node.name)}` of {widths[0]:.0f} bits",
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
        below = ""
        if p.mirror:
            x, below = self._folded(node, x)
            kind = self.types[x]
        first, last = (int(v) >> p.shift for v in (kind.lo.min(), kind.hi.max()))
        segments = Fixed.holding(first, last, grid - p.shift)
        top = self._add(node, Quantize.to_format(segments), x, hint=f"{node.name}_segment")
        rest = self._add(node, Quantize.to(False, p.shift, grid), x, hint=f"{node.name}_rest")
        if below:
            unit = Affine(np.full(1, math.ldexp(1.0, -grid)), np.zeros(1))
            one = self._add(node, unit, below, hint=f"{node.name}_one")
            rest = self._add(node, Add(), rest, one, hint=f"{node.name}_rest")
        known = np.clip(np.arange(first, last + 1) - p.first, 0, p.coefficients.shape[1] - 1)
        total = ""
        for k in range(p.degree, -1, -1):
            words = p.coefficients[k][known]
            after = p.points[k - 1] if k else point
            if k == 0 and p.mirror >= 0:  # half a unit here makes dropping bits round
                words = words + (1 << (p.points[0] - after - 1))
            reals = np.ldexp(words.astype(np.float64), -p.points[k])
            table = Lookup.of_values(reals, first, grid - p.shift)
            row = self._add(node, table, top, hint=f"{node.name}_c{k}")
            total = self._add(node, Add(), total, row, hint=f"{node.name}_sum") if total else row
            if k:
                total = self._add(node, Multiply(), total, rest, hint=f"{node.name}_product")
            if k == 0 and p.mirror < 0:
                minus = Affine(np.full(1, -1.0), np.zeros(1))
                other = self._add(node, minus, total, hint=f"{node.name}_minus")
                total = self._add(node, Where(), below, other, total, hint=f"{node.name}_side")
            plain = k > 0 or p.mirror < 0
            total = self._rounded(node, total, after, Rounding.RND if plain else Rounding.TRN)
        return total

    def _folded(self, node: Node, x: str) -> tuple[str, str]:
        """Return the operand, or its complement where it is negative, and whether it is that."""
        kind = self.types[x]
        grid = int(kind.frac.max())
        zero = self._add(node, Constant(np.zeros(1)), x, hint=f"{node.name}_zero")
        below = self._add(node, Compare("less"), x, zero, hint=f"{node.name}_below")
        inverted = Affine(np.full(1, -1.0), np.full(1, -math.ldexp(1.0, -grid)))
        other = self._add(node, inverted, x, hint=f"{node.name}_inverted")
        either = self._add(node, Where(), below, other, x, hint=f"{node.name}_either")
        most = max(int(kind.hi.max()), -int(kind.lo.min()) - 1)
        fmt = Fixed.holding(0, most, grid)
        to = Quantize.to_format(fmt, Rounding.TRN, Overflow.WRAP)
        return self._add(node, to, either, hint=f"{node.name}_half"), below

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
