"""Compare what a layer's Verilog computes with what the model says, output by output."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.flow.prove.expected import ALONE, Element
from gatewright.flow.prove.forms import Form, Gap, Scalar, Space
from gatewright.flow.prove.joint import Combinations
from gatewright.flow.prove.vectors import Vector, Words
from gatewright.flow.prove.words import Reader
from gatewright.num import Ints

EXHAUSTIVE = 1 << 23
"""Most values of a linear result for which what follows it is tried for every one."""

CHUNK = 1 << 20
"""Numbers that are computed at a time."""


@dataclass(frozen=True, eq=False)
class Output:
    """An element of a layer's output: its bits, how they are read, what they must be."""

    name: str
    bits: Vector
    signed: bool
    frac: int
    element: Element


@dataclass(eq=False)
class Outcome:
    """What came out for one output.

    Attributes:
        kind: `linear`, `cone`, `open` or `differs`.
        why: what is open, or how the two differ.
        tried: values that a cone was tried on.
        low: least integer that the output can be, on its own grid.
        high: greatest.
        aim: a form that is zero only where the two agree, or a scalar with a value where they
            differ: where to look for a counterexample.
    """

    kind: str
    why: str = ""
    tried: int = 0
    low: int = 0
    high: int = 0
    aim: list[tuple[Form, int | None]] = field(default_factory=list)


def compare(reader: Reader, outputs: list[Output]) -> list[Outcome]:
    """Compare every output: affine ones as forms, others value by value."""
    found: list[Outcome | None] = [None] * len(outputs)
    cones: list[int] = []
    for i, output in enumerate(outputs):
        element = output.element
        if element.gap:
            found[i] = Outcome("open", element.gap)
        elif element.is_linear:
            found[i] = _linear(reader, output)
        else:
            found[i], is_cone = _prepare_cone(reader, output)
            if is_cone:
                cones.append(i)
    for chain in dict.fromkeys(outputs[i].element.chain for i in cones):
        members = [i for i in cones if outputs[i].element.chain is chain]
        _Cones(reader, [outputs[i] for i in members], [found[i] for i in members]).run()  # type: ignore[misc]
    return [outcome for outcome in found if outcome is not None]


def _linear(reader: Reader, output: Output) -> Outcome:
    """Compare two affine forms."""
    space, element = reader.space, output.element
    own = reader.exact(output.bits, output.signed)
    if own is None:
        low, high = space.range(reader.value(output.bits))
        width = len(output.bits)
        return Outcome("open", f"{low}..{high} may not fit the {width} bits of {output.name}")
    finest = max(output.frac, element.frac)
    ours = own.times(1 << (finest - output.frac))
    wanted = element.form.times(1 << (finest - element.frac))
    rest = space.merged(ours.plus(wanted, -1), ALONE)
    if not rest.terms and not rest.constant:
        low, high = space.range(own)
        return Outcome("linear", low=low, high=high)
    return Outcome("differs", _difference(space, output, ours, wanted, rest), aim=[(rest, None)])


def _difference(space: Space, output: Output, ours: Form, wanted: Form, rest: Form) -> str:
    """Say in which coefficient two forms part."""
    every = ours.terms.keys() | wanted.terms.keys() | rest.terms.keys()
    count = f"{len(rest.terms)} of {len(every)} coefficients differ"
    if not rest.terms:
        return f"{output.name}: the constant is {ours.constant} instead of {wanted.constant}"
    v = min(rest.terms)
    return (
        f"{output.name}: the coefficient of {space.variables[v].name} is {ours.terms.get(v, 0)} "
        f"instead of {wanted.terms.get(v, 0)} ({count})"
    )


def _prepare_cone(reader: Reader, output: Output) -> tuple[Outcome, bool]:
    """Return an outcome to fill, and whether the output can be tried for every value."""
    chain = output.element.chain
    assert chain is not None
    scalar = chain.scalar(output.element.index)
    size = 1 if scalar is None else scalar.size
    if size > EXHAUSTIVE:
        most = f"more than {EXHAUSTIVE:,}"
        return Outcome("open", f"{chain.ops[-1].kind} of {size:,} values, {most}"), False
    return Outcome("cone", tried=size), True


class _Cones:
    """The outputs of one chain of operations, tried together, some values at a time."""

    def __init__(self, reader: Reader, outputs: list[Output], found: list[Outcome]) -> None:
        self.reader, self.outputs, self.found = reader, outputs, found
        chain = outputs[0].element.chain
        assert chain is not None
        self.chain = chain
        self.scalars = [chain.scalar(o.element.index) for o in outputs]
        self.jointly: list[tuple[Gap, Output, Scalar, Outcome]] = []

    def run(self) -> None:
        """Try all values."""
        most = max(1 if s is None else s.size for s in self.scalars)
        step = max(CHUNK // len(self.chain.base), 256)
        for first in range(0, most, step):
            wanted, frac = self.chain.values(first, min(step, most - first))
            for output, scalar, outcome in zip(self.outputs, self.scalars, self.found, strict=True):
                size = 1 if scalar is None else scalar.size
                count = min(size - first, step)
                if count > 0 and outcome.kind == "cone":
                    column = wanted[:count, output.element.index]
                    point = int(frac[output.element.index])
                    self._compare(output, scalar, outcome, first, column, point)
        for gap, output, scalar, outcome in self.jointly:
            try:
                self._combine(output, scalar, outcome, Combinations(self.reader.space, scalar, gap))
            except Gap as other:
                outcome.kind, outcome.why = "open", f"{output.name}: {other}"

    def _compare(
        self,
        output: Output,
        scalar: Scalar | None,
        outcome: Outcome,
        first: int,
        wanted: Ints,
        point: int,
    ) -> None:
        """Compare some values of one output."""
        try:
            ours = self._ours(output, scalar, first, len(wanted))
        except Gap as gap:
            outcome.kind, outcome.why = "open", f"{output.name}: {gap}"
            if scalar is not None:
                self.jointly.append((gap, output, scalar, outcome))
            return
        finest = max(output.frac, point)
        bad = np.flatnonzero((ours << (finest - output.frac)) != (wanted << (finest - point)))
        if not len(bad):
            low, high = int(ours.min()), int(ours.max())
            outcome.low = low if first == 0 else min(outcome.low, low)
            outcome.high = high if first == 0 else max(outcome.high, high)
            return
        at = int(bad[0])
        outcome.kind = "differs"
        given, unit = "", 2.0**-output.frac
        if scalar is not None:
            value = scalar.low + first + at
            shown = self.reader.space.describe(scalar.form)
            given = f" where {shown} = {value}"
            outcome.aim = [(scalar.form, scalar.low + first + int(i)) for i in bad[:64]]
        right = float(wanted[at]) * 2.0**-point
        outcome.why = f"{output.name} is {ours[at] * unit:g} instead of {right:g}{given}"

    def _combine(
        self, output: Output, scalar: Scalar, outcome: Outcome, inputs: Combinations
    ) -> None:
        """Compare an output for every combination of the inputs behind its scalar.

        Raises:
            Gap: it depends on more than those.
        """
        ours = _signed(inputs.words(output.bits), output)
        step = max(CHUNK // len(self.chain.base), 256)
        parts, point = [], 0
        for first in range(0, scalar.size, step):
            wanted, frac = self.chain.values(first, min(step, scalar.size - first))
            parts.append(wanted[:, output.element.index])
            point = int(frac[output.element.index])
        right = np.concatenate(parts)[inputs.scalar - scalar.low]
        finest = max(output.frac, point)
        bad = np.flatnonzero((ours << (finest - output.frac)) != (right << (finest - point)))
        outcome.kind, outcome.why, outcome.tried = "cone", "", len(ours)
        outcome.low, outcome.high = int(ours.min()), int(ours.max())
        if len(bad):
            number = inputs.over(inputs.number)
            outcome.kind = "differs"
            outcome.aim = [(inputs.number, int(number[i])) for i in bad[:64]]
            found, wanted_here = ours[bad[0]] * 2.0**-output.frac, right[bad[0]] * 2.0**-point
            outcome.why = f"{output.name} is {found:g} instead of {wanted_here:g}"

    def _ours(self, output: Output, scalar: Scalar | None, first: int, count: int) -> Ints:
        """Return what the circuit gives, as integers on the output's grid."""
        if not output.bits:
            return np.zeros(count, np.int64)
        if scalar is None:
            form = self.reader.exact(output.bits, output.signed)
            if form is None or form.terms:
                raise Gap("the circuit gives a number that varies where the model's does not")
            return np.full(count, form.constant, np.int64)
        return _signed(self.reader.cone(output.bits, scalar, first, count), output)


def _signed(words: Words | Ints, output: Output) -> Ints:
    """Return words as the integers of an output's port."""
    q = words.astype(np.int64)
    if output.signed:
        q -= (q >> (len(output.bits) - 1) & 1) << len(output.bits)
    return np.asarray(q, np.int64)
