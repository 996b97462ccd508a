"""Vectors of wires as numbers: exact affine forms, parts of them, functions of one scalar."""

from __future__ import annotations

import math

import numpy as np

from gatewright.flow.prove.forms import TABLE, Form, Gap, Scalar, Space, Variable
from gatewright.flow.prove.lifts import low_bits
from gatewright.flow.prove.vectors import (
    WIDEST,
    Bit,
    Evaluator,
    Run,
    Signal,
    Vector,
    Words,
    runs,
)
from gatewright.num import Ints


class Reader:
    """Read vectors as affine forms in one space of variables."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def support(self, signal: Signal) -> frozenset[Scalar]:
        """Return the scalars that a signal is a function of."""
        if signal.support is None:
            if signal.form is not None:
                signal.support = self.space.support(signal.form)
            else:
                signal.support = self.supports(
                    bit for bits in signal.operands.values() for bit in bits
                )
        return signal.support

    def supports(self, bits: object) -> frozenset[Scalar]:
        """Return the scalars that some bits are functions of."""
        found: set[Scalar] = set()
        for signal in {bit.signal for bit in bits}:  # type: ignore[attr-defined]
            if signal is not None:
                found |= self.support(signal)
        return frozenset(found)

    def value(self, bits: Vector, flips: int = 0) -> Form:
        """Return a vector's number modulo `2**len(bits)`; bits in `flips` are inverted."""
        width = len(bits)
        kept = width
        while kept > 1 and bits[kept - 1] == bits[kept - 2] and bits[kept - 1].signal is not None:
            if (flips >> (kept - 1) & 1) != (flips >> (kept - 2) & 1):
                break
            kept -= 1
        if kept < width:
            inner = self.exact(bits[:kept], True, flips & ((1 << kept) - 1))
            if inner is not None:
                return inner
        total = Form({})
        for run in runs(bits, flips):
            length = run.end if run.signal is None else run.end - run.low
            if run.signal is None:
                form = Form({}, run.low)
            else:
                form = self.run(run, top=run.offset + length == width)
            if run.flipped:
                form = form.times(-1).moved((1 << length) - 1)
            total = total.plus(form, 1 << run.offset)
        return self.tidy(total, width)

    def tidy(self, form: Form, width: int) -> Form:
        """Return an equal form modulo `2**width` with parts put together and small numbers."""
        form = self.space.merged(form, width)
        if any(abs(c) >> width for c in form.terms.values()):
            form = form.centred(width)
        return form

    def exact(self, bits: Vector, signed: bool, flips: int = 0) -> Form | None:
        """Return a vector's number itself, None where it may wrap."""
        if not bits:
            return Form({})
        found = self.space.window(self.value(bits, flips), len(bits), signed)
        if found is None and not flips:
            return self._function(bits, self.supports(bits), signed)
        return found

    def run(self, run: Run, top: bool) -> Form:
        """Return bits of a signal: exact, or modulo their width where nothing stands above."""
        signal, length = run.signal, run.end - run.low
        assert signal is not None
        if signal.form is not None:
            shifted = self._shifted(signal.form, run.low)
            if shifted is not None:
                found = shifted if top else self.space.window(shifted, length, False)
                if found is not None:
                    return found
        return self._part(signal, run.low, run.end, top)

    def _shifted(self, form: Form, bits: int) -> Form | None:
        """Return `floor(form / 2**bits)` where it is affine."""
        if not bits:
            return form
        mask = (1 << bits) - 1
        high = {v: c >> bits for v, c in form.terms.items() if not c & mask}
        low = Form({v: c for v, c in form.terms.items() if c & mask}, form.constant)
        first, last = self.space.range(low)
        if first >> bits != last >> bits:
            return None
        return Form(high, first >> bits)

    def _part(self, signal: Signal, low: int, end: int, top: bool) -> Form:
        """Return bits of a signal as a variable, or as a function of the scalar behind them."""
        fixed = 0 if signal.form is None else _fixed_bits(signal.form, signal.width)
        if low < fixed and signal.form is not None:  # the lowest bits never change
            kept = min(fixed, end) - low
            constant = signal.form.constant >> low & ((1 << kept) - 1)
            if kept == end - low:
                return Form({}, constant)
            above = self.run(Run(signal, fixed, end, 0, False), top)
            return above.times(1 << kept).moved(constant)
        own = signal if signal.form is None else signal.form.key
        key = ("part", own, signal.width, low, end)
        found = self.space.known(key)
        if found is None:
            found = self.space.keep(key, self._new_part(signal, low, end))
        if not top:
            exact = self.space.window(found, end - low, False)
            if exact is None and end - low == 1:  # a sign of -1 is a bit of 1
                exact = self.space.window(found.times(-1), 1, False)
            if exact is None:
                key = ("bits", own, signal.width, low, end)
                exact = self.space.known(key) or self.space.keep(key, self._bits(signal, low, end))
            return exact
        return found

    def _new_part(self, signal: Signal, low: int, end: int) -> Form:
        support = self.support(signal)
        whole = None
        if signal.form is not None:
            whole = self.space.window(signal.form, signal.width, False)
            whole = whole or self.space.window(signal.form, signal.width, True)
        top = whole is not None and end == signal.width
        signed = top and whole is not None and self.space.range(whole)[0] < 0
        bits = tuple(Bit(signal, i) for i in range(low, end))
        found = self._function(bits, support, signed)
        return found if found is not None else self._variable(signal, low, end, whole, support)

    def _bits(self, signal: Signal, low: int, end: int) -> Form:
        """Return bits that may hold a sign, unsigned."""
        support = self.support(signal)
        bits = tuple(Bit(signal, i) for i in range(low, end))
        found = self._function(bits, support, False)
        wide = Variable("some bits", 0, (1 << (end - low)) - 1, support)
        return self.space.add(wide) if found is None else found

    def _function(self, bits: Vector, support: frozenset[Scalar], signed: bool) -> Form | None:
        """Return bits as a function of a scalar of few values; None where they are not one."""
        if len(support) != 1 or len(bits) > WIDEST:
            return None
        (scalar,) = support
        if scalar.size > TABLE:
            return None
        try:
            table = self.cone(bits, scalar).astype(np.int64)
        except Gap:
            return None
        if signed:
            table -= (table >> (len(bits) - 1) & 1) << len(bits)
        return self.space.function(scalar, table)

    def _variable(
        self, signal: Signal, low: int, end: int, whole: Form | None, support: frozenset[Scalar]
    ) -> Form:
        """Return bits of a signal as a variable of their own; bits that never change are none."""
        if whole is None:
            return self.space.add(Variable("some bits", 0, (1 << (end - low)) - 1, support))
        first, last = self.space.range(whole)
        width = signal.width if (first < 0) != (last < 0) else (first ^ last).bit_length()
        if width < end:
            above = first >> max(width, low)
            if width <= low:
                return Form({}, above & ((1 << (end - low)) - 1))
            rest = self._part(signal, low, width, top=False)
            return rest.moved((above & ((1 << (end - width)) - 1)) << (width - low))
        if width < signal.width:
            whole = whole.moved(-(first >> width << width))
        first, last = 0, (1 << (end - low)) - 1
        if end == width:
            first, last = (q >> low for q in self.space.range(whole))
        name = f"bits {end - 1}..{low} of ({self.space.describe(whole)})"
        fixed = _fixed_bits(whole, width)
        rest = Form({v: c >> fixed for v, c in whole.terms.items()}, whole.constant >> fixed)
        part = (rest, width - fixed, low - fixed, end - fixed)
        link = (whole, 1 << low, (1 << low) - 1) if low and end == width else None
        return self.space.add(Variable(name, first, last, support, part=part, link=link))

    def cone(self, bits: Vector, scalar: Scalar, first: int = 0, count: int | None = None) -> Words:
        """Return a vector for values of a scalar, from its `first` one on.

        Raises:
            Gap: the vector depends on something else, or on a cell that is not understood.
        """
        end = scalar.size if count is None else min(first + count, scalar.size)
        own = np.arange(scalar.low + first, scalar.low + end, dtype=np.int64)
        return Evaluator(len(own), lambda s, end: self._known(s, end, scalar, own, first)).vector(
            bits
        )

    def _known(
        self, signal: Signal, end: int, scalar: Scalar, own: Ints, first: int
    ) -> Words | None:
        """Return low bits of a signal over values of a scalar where its form says what they are."""
        if signal.form is None or end > WIDEST:
            return None
        return low_bits(self.space, signal.form, end, scalar, own, first)


def _fixed_bits(form: Form, width: int) -> int:
    """Return how many of the lowest bits of a form never change."""
    common = math.gcd(*form.terms.values(), 1 << width)
    return common.bit_length() - 1
