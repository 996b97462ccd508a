"""What the values of a real model reach: intervals, tightened by cutting the input's box.

An interval of a term in which a variable occurs twice is wider than what the term reaches. Terms
of few variables are therefore computed on a few thousand parts of their variables' ranges, and
the union is taken: interval arithmetic converges to the range as the parts shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from gatewright.base import Place, UnsupportedError
from gatewright.ir import Graph, Node, Op, Reals
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
from gatewright.quantize.bounded.text import text_of

PARTS = {1: 4096, 2: 64, 3: 16, 4: 8, 5: 5, 6: 4}
"""Into how many parts the range of each variable is cut, by their number."""

SLACK = 1e-13
"""By how much ends are moved outwards, relative: more than rounding of float64 does."""


@dataclass(frozen=True, eq=False)
class Range:
    """Intervals of elements, (boxes, elements) each."""

    lo: Reals
    hi: Reals

    @classmethod
    def outward(cls, lo: Reals, hi: Reals) -> Range:
        """Move both ends outwards, beyond what rounding may have cost."""
        return cls(lo - SLACK * np.abs(lo), hi + SLACK * np.abs(hi))

    def meet(self, other: Range) -> Range:
        """Return what two ranges of the same values share."""
        lo, hi = np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi)
        return Range(np.minimum(lo, hi), hi)

    def union(self) -> Range:
        """Return one box that holds all."""
        return Range(self.lo.min(0, keepdims=True), self.hi.max(0, keepdims=True))

    @property
    def far(self) -> Reals:
        """Largest magnitude of each element."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))


def image(op: Op, *x: Range) -> Range:
    """Return the range of an operation's results; all numbers where nothing is known."""
    with np.errstate(all="ignore"):
        found = IMAGES[type(op)](op, *x)
    wrong = np.isnan(found.lo) | np.isnan(found.hi)
    return Range(np.where(wrong, -np.inf, found.lo), np.where(wrong, np.inf, found.hi))


def _moved(op: Op, *x: Range) -> Range:
    """Apply an operation that only moves elements, or never falls in any operand."""
    return Range(op.real(*(r.lo for r in x)), op.real(*(r.hi for r in x)))


def _affine(op: Op, x: Range) -> Range:
    assert isinstance(op, Affine)
    a, b = x.lo * op.scale, x.hi * op.scale
    return Range.outward(np.minimum(a, b) + op.offset, np.maximum(a, b) + op.offset)


def _dense(op: Op, x: Range) -> Range:
    assert isinstance(op, Dense)
    up, down = np.maximum(op.weight, 0), np.minimum(op.weight, 0)
    slack = SLACK * (x.far @ np.abs(op.weight) + np.abs(op.bias))
    lo, hi = x.lo @ up + x.hi @ down, x.hi @ up + x.lo @ down
    return Range(lo + op.bias - slack, hi + op.bias + slack)


def _subtract(op: Op, a: Range, b: Range) -> Range:
    return Range.outward(a.lo - b.hi, a.hi - b.lo)


def _multiply(op: Op, a: Range, b: Range) -> Range:
    with np.errstate(invalid="ignore"):
        corners = [np.nan_to_num(p * q, nan=0.0, posinf=np.inf, neginf=-np.inf)
                   for p in (a.lo, a.hi) for q in (b.lo, b.hi)]  # fmt: skip
    return Range.outward(reduce(np.minimum, corners), reduce(np.maximum, corners))


def _divide(op: Op, a: Range, b: Range) -> Range:
    zero = (b.lo <= 0) & (b.hi >= 0)
    with np.errstate(all="ignore"):
        far: Reals = np.reciprocal(np.where(zero, 1.0, b.hi))
        near: Reals = np.reciprocal(np.where(zero, 1.0, b.lo))
        inverse = Range(far, near)
    found = _multiply(op, a, inverse)
    return Range(np.where(zero, -np.inf, found.lo), np.where(zero, np.inf, found.hi))


def _function(op: Op, x: Range) -> Range:
    assert isinstance(op, Function)
    return Range.outward(*functions.image(op.name, op.parameters, x.lo, x.hi))


def _absolute(op: Op, x: Range) -> Range:
    least = np.maximum(np.maximum(x.lo, -x.hi), 0.0)
    return Range(least, x.far)


def _compare(op: Op, a: Range, b: Range) -> Range:
    assert isinstance(op, Compare)
    less, more = a.hi < b.lo, a.lo > b.hi
    if op.relation in ("equal", "not_equal"):
        point = (a.lo == a.hi) & (b.lo == b.hi) & (a.lo == b.lo)
        always, never = point, less | more
        if op.relation == "not_equal":
            always, never = never, always
    else:
        strict = op.relation in ("less", "greater")
        if op.relation.startswith("less"):
            always, never = (less, a.lo >= b.hi) if strict else (a.hi <= b.lo, more)
        else:
            always, never = (more, a.hi <= b.lo) if strict else (a.lo >= b.hi, less)
    return Range(always.astype(np.float64), (~never).astype(np.float64))


def _where(op: Op, c: Range, a: Range, b: Range) -> Range:
    always, never = c.lo > 0, c.hi == 0
    lo, hi = np.minimum(a.lo, b.lo), np.maximum(a.hi, b.hi)
    lo, hi = np.where(always, a.lo, lo), np.where(always, a.hi, hi)
    return Range(np.where(never, b.lo, lo), np.where(never, b.hi, hi))


IMAGES: dict[type[Op], Callable[..., Range]] = {
    Absolute: _absolute,
    Add: _moved,
    Affine: _affine,
    Compare: _compare,
    Concatenate: _moved,
    Constant: _moved,
    Dense: _dense,
    Divide: _divide,
    Function: _function,
    Maximum: _moved,
    Minimum: _moved,
    Multiply: _multiply,
    Sign: _moved,
    Slice: _moved,
    Subtract: _subtract,
    Where: _where,
}
"""The operations whose errors can be bounded."""


def require_known(graph: Graph) -> None:
    """Refuse a graph with other operations, or with number formats of its own.

    Raises:
        UnsupportedError: it has one.
    """
    for node in graph.nodes:
        op = node.op
        rounds = getattr(op, "out", None) is not None or getattr(op, "at_zero", None) is not None
        if type(op) not in IMAGES or rounds:
            raise UnsupportedError(
                "an output error can only be derived for expressions",
                place=Place(graph.source, node.layer or node.name),
                found=f"the operation {op.kind!r}" + (" with a number format" if rounds else ""),
                supported=", ".join(sorted(kind.__name__ for kind in IMAGES)),
                remedy="leave the output error out, and give calibration data and a tolerance",
            )


Variable = tuple[str, int]


class Ranges:
    """The ranges of all values of a graph.

    Args:
        graph: operations that `require_known` lets pass.
        inputs: range of each input's elements, (elements,) each.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, tuple[Reals, Reals]]) -> None:
        self.graph = graph
        self.inputs = {n: Range(lo[None], hi[None]) for n, (lo, hi) in inputs.items()}
        self.slices: dict[str, tuple[Variable, ...]] = {}
        self.supports = self._supports()
        self.found: dict[str, Range] = dict(self.inputs)
        self._tight: dict[str, Range] = {}
        self._swept: set[frozenset[Variable]] = set()
        for node in graph.nodes:
            self._sweep(self.supports[node.name])
            self._node(node)

    def __getitem__(self, name: str) -> Range:
        return self.found[name]

    def _node(self, node: Node) -> None:
        operands = [self.found[n] for n in node.inputs]
        self._check_domain(node, operands)
        found = image(node.op, *operands)
        self.found[node.name] = found.meet(self._tight.get(node.name, found))

    def _check_domain(self, node: Node, operands: Sequence[Range]) -> None:
        """Refuse a pole, or the outside of a function's domain, that the inputs can reach."""
        op = node.op
        if isinstance(op, Function):
            x = operands[0]
            ends = functions.clipped(op.name, op.parameters, x.lo, x.hi)
            if functions.inside(op.name, op.parameters, *ends).all():
                return
            what, number, where = f"{op.name} of", 0, functions.described(op.name)
            if op.name == "reciprocal":
                what = "a division by"
        elif isinstance(op, Divide):
            x = operands[1]
            if not ((x.lo <= 0) & (x.hi >= 0)).any():
                return
            what, number, where = "a division by", 1, "divisors that cannot be 0"
        else:
            return
        term = text_of(self.graph, node.inputs[number])
        raise UnsupportedError(
            "a term of an expression reaches a pole, or leaves where its function is defined",
            place=Place(self.graph.source, node.layer),
            found=f"{what} `{term}`, which can be from {float(x.lo.min()):.6g} to "
            f"{float(x.hi.max()):.6g} on the inputs' ranges",
            supported=where,
            remedy="limit the inputs (a narrower input format, or calibration data, whose ranges "
            "are then the inputs'), or the term: `max(t, 0.01)`",
        )

    # ---- terms of few variables

    def _supports(self) -> dict[str, frozenset[Variable]]:
        found: dict[str, frozenset[Variable]] = {}
        for i in self.graph.inputs:
            found[i.name] = frozenset((i.name, k) for k in range(i.shape[0]))
        own = set(found)
        for node in self.graph.nodes:
            if isinstance(node.op, Slice) and node.inputs[0] in own:
                (name,) = node.inputs
                count = len(found[name])
                places = node.op.real(np.arange(count, dtype=np.float64)[None]).ravel()
                self.slices[node.name] = tuple((name, int(k)) for k in places)
                found[node.name] = frozenset(self.slices[node.name])
            elif isinstance(node.op, Constant):
                found[node.name] = frozenset()
            else:
                found[node.name] = frozenset().union(*(found[n] for n in node.inputs))
        return found

    def _sweep(self, support: frozenset[Variable]) -> None:
        """Compute all terms of some variables on parts of their ranges."""
        if len(support) not in PARTS or support in self._swept:
            return
        self._swept.add(support)
        values = self._boxes(sorted(support))
        for node in self.graph.nodes:
            if not self.supports[node.name] <= support or node.name in values:
                continue
            if any(n not in values for n in node.inputs):
                continue
            found = image(node.op, *(values[n] for n in node.inputs))
            if node.name in self.found:
                found = found.meet(self.found[node.name])
            values[node.name] = found
            whole = found.union()
            self._tight[node.name] = whole.meet(self._tight.get(node.name, whole))

    def _boxes(self, variables: Sequence[Variable]) -> dict[str, Range]:
        count = PARTS[len(variables)]
        boxes = count ** len(variables)
        index = np.stack(np.unravel_index(np.arange(boxes), (count,) * len(variables)), axis=1)
        values = {  # whole inputs stay uncut, and take no memory: what is read is cut below
            name: Range(*(np.broadcast_to(v, (boxes, v.shape[1])) for v in (r.lo, r.hi)))
            for name, r in self.inputs.items()
        }
        cut: dict[Variable, Range] = {}
        for column, (name, k) in enumerate(variables):
            lo, hi = (float(v[0, k]) for v in (self.inputs[name].lo, self.inputs[name].hi))
            edges = np.linspace(lo, hi, count + 1)
            ends = edges[index[:, column]], edges[index[:, column] + 1]
            cut[name, k] = Range(*(v[:, None] for v in ends))
            if self.inputs[name].lo.shape[1] == 1:
                values[name] = cut[name, k]
        for node in self.graph.nodes:
            places = self.slices.get(node.name)
            if places is not None and cut.keys() >= set(places):
                parts = [cut[place] for place in places]
                lows, highs = ([getattr(p, end) for p in parts] for end in ("lo", "hi"))
                values[node.name] = Range(np.hstack(lows), np.hstack(highs))
        return values
