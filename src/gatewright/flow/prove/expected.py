"""What the model says: each element of a value as an affine form, or as a function of one.

Everything here comes from the integer model's operations: their weights, their `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import numpy as np

from gatewright.flow.prove.forms import TABLE, Form, Gap, Scalar, Space
from gatewright.ir import Op
from gatewright.num import FixedArray, Ints, dyadic
from gatewright.ops import Add, Affine, Clip, Concatenate, Constant, Dense, Quantize, Subtract
from gatewright.ops.elementwise import Unary, broadcast_shape
from gatewright.ops.movement import Movement

ALONE = 1 << 12
"""Modulus (in bits) that no form reaches: forms of the model do not wrap."""


@dataclass(frozen=True, eq=False)
class Element:
    """One number of the model: `form * 2**-frac`, or what a chain of operations makes of it.

    Attributes:
        chain: operations on the form's number, where it is not affine any more.
        index: the element's place in the chain's tensor.
        gap: why nothing is known of it.
    """

    form: Form
    frac: int
    chain: Chain | None = None
    index: int = 0
    gap: str = ""

    @property
    def is_linear(self) -> bool:
        """Whether it is the form itself."""
        return self.chain is None and not self.gap


Elements = np.ndarray
"""Elements of one sample, in its shape."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Operations on single elements, one after the other, on a tensor of affine elements."""

    space: Space
    base: tuple[Element, ...]
    shape: tuple[int, ...]
    ops: tuple[Op, ...]
    settled: dict[int, Element] = field(default_factory=dict)

    def scalar(self, index: int) -> Scalar | None:
        """Return what an element is a function of; None for a constant."""
        form = self.base[index].form
        if not form.terms or self.base[index].gap:
            return None
        return next(iter(self.space.support(form)))

    def values(self, first: int, count: int) -> tuple[Ints, Ints]:
        """Return integers (count, elements) for values of each element's scalar, and their grids.

        Past the end of a scalar's range its last value is repeated.
        """
        q = np.zeros((count, len(self.base)), np.int64)
        for i, element in enumerate(self.base):
            if element.gap:
                continue
            q[:, i] = element.form.constant
            scalar = self.scalar(i)
            if scalar is not None:
                end = min(first + count, scalar.size)
                start = min(first, end - 1)
                own = self.space.over(element.form, scalar, start, end)
                assert own is not None, "a chain stands on one scalar an element"
                q[: len(own), i], q[len(own) :, i] = own, own[-1]
        frac = np.array([element.frac for element in self.base], np.int64)
        found = FixedArray(q.reshape(count, *self.shape), frac.reshape(self.shape))
        for op in self.ops:
            found = op.evaluate(found)
        fracs = np.broadcast_to(found.frac, self.shape).reshape(-1)
        return found.q.reshape(count, -1), fracs


def array(elements: Sequence[Element], shape: tuple[int, ...]) -> Elements:
    """Return elements in a shape."""
    found = np.empty(len(elements), object)
    found[:] = list(elements)
    return found.reshape(shape)


def apply(space: Space, op: Op, *x: Elements) -> Elements:
    """Return what an operation makes of elements.

    What is neither affine nor a function of single elements gives elements with a gap.
    """
    rule = next((rule for kind, rule in RULES if isinstance(op, kind)), None)
    if rule is not None:
        return rule(space, op, *x)
    shapes = [np.zeros((1, *a.shape), np.int64) for a in x]
    grids = [np.array([e.frac for e in a.ravel()], np.int64).reshape(a.shape) for a in x]
    shape = op.evaluate(*(FixedArray(*pair) for pair in zip(shapes, grids, strict=True))).q.shape[
        1:
    ]
    gap = Element(Form({}), 0, gap=f"{op.kind} depends on several numbers at once")
    return array([gap] * int(np.prod(shape)), shape)


def settled(space: Space, element: Element) -> Element:
    """Return an element as a form: a function of few values becomes a variable.

    Raises:
        Gap: it cannot be.
    """
    if element.gap:
        raise Gap(element.gap)
    chain = element.chain
    if chain is None:
        return element
    scalar = chain.scalar(element.index)
    size = 1 if scalar is None else scalar.size
    if size > TABLE:
        raise Gap(f"{chain.ops[-1].kind} of {size:,} values in front of a linear operation")
    if element.index not in chain.settled:
        _settle(space, chain)
    return chain.settled[element.index]


def _settle(space: Space, chain: Chain) -> None:
    """Turn all elements of a chain that have few values into functions."""
    scalars = [chain.scalar(i) for i in range(len(chain.base))]
    sizes = [1 if s is None else s.size for s in scalars]
    table, frac = chain.values(0, max(size for size in sizes if size <= TABLE))
    for i, (scalar, size) in enumerate(zip(scalars, sizes, strict=True)):
        if size > TABLE:
            continue
        column = table[:size, i].copy()
        form = Form({}, int(column[0])) if scalar is None else space.function(scalar, column)
        chain.settled[i] = Element(form, int(frac[i]))


def total(space: Space, parts: Sequence[tuple[Element, int, int]], q: int, frac: int) -> Element:
    """Return `q * 2**-frac` plus elements, each times `factor * 2**-point`."""
    finest = max([e.frac + point for e, factor, point in parts if factor] + [frac if q else -ALONE])
    finest = 0 if finest == -ALONE else finest
    terms: dict[int, int] = {}
    constant = q << (finest - frac) if q else 0
    for element, factor, point in parts:
        if not factor:
            continue
        factor <<= finest - element.frac - point
        constant += factor * element.form.constant
        for v, c in element.form.terms.items():
            terms[v] = terms.get(v, 0) + factor * c
    form = Form({v: c for v, c in terms.items() if c}, constant)
    return Element(space.merged(form, ALONE), finest)


def _guarded(make: Callable[[], Element]) -> Element:
    try:
        return make()
    except Gap as gap:
        return Element(Form({}), 0, gap=str(gap))


def _dense(space: Space, op: Dense, x: Elements) -> Elements:
    weight, bias = FixedArray.exact(op.weight), FixedArray.exact(op.bias)
    points = int(weight.frac), int(bias.frac)
    columns = list(zip(weight.q.T.tolist(), bias.q.tolist(), strict=True))
    found = [
        _guarded(partial(_dot, space, row, factors, q, points))
        for row in x.reshape(-1, x.shape[-1]).tolist()
        for factors, q in columns
    ]
    return array(found, (*x.shape[:-1], op.weight.shape[1]))


def _dot(
    space: Space, row: list[Element], factors: list[int], q: int, points: tuple[int, int]
) -> Element:
    """Return one output of a dense layer; what has weight 0 is not looked at."""
    pairs = zip(row, factors, strict=True)
    live = [(settled(space, element), factor, points[0]) for element, factor in pairs if factor]
    return total(space, live, q, points[1])


def _combined(space: Space, one: Element, other: Element, sign: int) -> Element:
    parts = [(settled(space, one), 1, 0), (settled(space, other), sign, 0)]
    return total(space, parts, 0, 0)


def _scaled(space: Space, op: Affine, x: Elements) -> Elements:
    if not all(e.is_linear for e in x.ravel()):
        return _unary(space, op, x)
    columns = [
        part.ravel().tolist()
        for constant in (op.scale, op.offset)
        for part in dyadic(np.broadcast_to(constant, x.shape))
    ]
    rows = zip(x.ravel(), *columns, strict=True)
    found = [total(space, [(e, factor, point)], q, frac) for e, factor, point, q, frac in rows]
    return array(found, x.shape)


def _sum(sign: int) -> Callable[[Space, Op, Elements, Elements], Elements]:
    def rule(space: Space, op: Op, a: Elements, b: Elements) -> Elements:
        shape = broadcast_shape(a.shape, b.shape)
        pairs = zip(
            np.broadcast_to(a, shape).ravel(), np.broadcast_to(b, shape).ravel(), strict=True
        )
        found = [_guarded(partial(_combined, space, *pair, sign)) for pair in pairs]
        return array(found, shape)

    return rule


def _unary(space: Space, op: Op, x: Elements) -> Elements:
    """Extend the chain of a tensor, or start one; what changes nothing is left out."""
    flat = list(x.ravel())
    chains = {e.chain for e in flat if e.chain is not None}
    chain = next(iter(chains)) if len(chains) == 1 else None
    if chain is not None and chain.shape == x.shape and all(
        (e.chain is chain and e.index == i) or (e.gap and chain.base[i].gap)
        or (e.is_linear and e.form is chain.base[i].form and e.frac == chain.base[i].frac)
        for i, e in enumerate(flat)
    ):  # fmt: skip
        new = Chain(space, chain.base, chain.shape, (*chain.ops, op))
    else:
        base = tuple(_guarded(partial(settled, space, e)) for e in flat)
        new = Chain(space, base, x.shape, (op,))
    found = []
    for i, e in enumerate(flat):
        if new.base[i].gap:
            found.append(new.base[i])
        elif e.is_linear and _changes_nothing(space, op, e, i, x.shape):
            found.append(e)
        else:
            found.append(Element(new.base[i].form, new.base[i].frac, new, i))
    return array(found, x.shape)


def _changes_nothing(space: Space, op: Op, e: Element, index: int, shape: tuple[int, ...]) -> bool:
    """Whether an operation gives back every number that an affine element can be."""
    low, high = (Fraction(q) / Fraction(2) ** e.frac for q in space.range(e.form))
    if isinstance(op, Clip):
        return (op.low is None or low >= Fraction(op.low)) and (
            op.high is None or high <= Fraction(op.high)
        )
    if not isinstance(op, Quantize):
        return False
    kind = op.format
    lo, hi, frac = (
        int(np.broadcast_to(v, shape).ravel()[index]) for v in (kind.lo, kind.hi, kind.frac)
    )
    unit = max(e.frac - frac, 0)
    exact = not any(c & ((1 << unit) - 1) for c in (*e.form.terms.values(), e.form.constant))
    return exact and Fraction(lo) <= low * Fraction(2) ** frac and high * Fraction(2) ** frac <= hi


def _moved(space: Space, op: Movement, x: Elements) -> Elements:
    moved: Elements = op.move(x)
    return moved


def _joined(space: Space, op: Concatenate, *x: Elements) -> Elements:
    return np.concatenate(x, axis=op.axis)


def _constant(space: Space, op: Constant, *x: Elements) -> Elements:
    value = FixedArray.exact(op.values)
    found = [Element(Form({}, q), int(value.frac)) for q in value.q.ravel().tolist()]
    return array(found, value.q.shape)


RULES: tuple[tuple[type[Op], Callable[..., Elements]], ...] = (
    (Dense, _dense),
    (Affine, _scaled),
    (Add, _sum(1)),
    (Subtract, _sum(-1)),
    (Movement, _moved),
    (Concatenate, _joined),
    (Constant, _constant),
    (Unary, _unary),
)
"""How operations act on elements; any other depends on several numbers at once."""
