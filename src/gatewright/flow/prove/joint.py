"""All combinations of a few inputs of few bits: for tables that read the inputs themselves."""

from __future__ import annotations

import math

import numpy as np

from gatewright.flow.prove.forms import Form, Gap, Scalar, Space
from gatewright.flow.prove.vectors import Evaluator, Signal, Vector, Words
from gatewright.num import Ints

COMBINATIONS = 1 << 20
"""Most combinations that are tried."""


class Combinations:
    """Every combination of the inputs that a scalar is a sum of.

    Attributes:
        place: of each input in `values`.
        values: of shape (inputs, combinations).
        scalar: the scalar for each combination.
        number: a form that is another number for each combination.

    Raises:
        Gap: there are too many, or the scalar is no sum of inputs.
    """

    def __init__(self, space: Space, scalar: Scalar, gap: Gap) -> None:
        own = [(v, space.variables[v]) for v in scalar.form.terms]
        sizes = [x.high - x.low + 1 for _, x in own]
        if math.prod(sizes) > COMBINATIONS or any(x.support is not None for _, x in own):
            raise gap
        self.place = {v: i for i, (v, _) in enumerate(own)}
        lows = np.array([x.low for _, x in own], np.int64)
        self.values = np.indices(sizes).reshape(len(sizes), -1).astype(np.int64) + lows[:, None]
        self.scalar = self.over(scalar.form)
        strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
        self.number = Form({v: k for (v, _), k in zip(own, strides, strict=True)})

    def over(self, form: Form) -> Ints:
        """Return a form over the combinations."""
        total = np.full(self.values.shape[1], form.constant, np.int64)
        for v, c in form.terms.items():
            total += c * self.values[self.place[v]]
        return total

    def _known(self, signal: Signal, end: int) -> Words | None:
        form = signal.form
        if signal.cell is not None or form is None or not form.terms.keys() <= self.place.keys():
            return None
        return self.over(form).astype(np.uint64) & np.uint64((1 << end) - 1)

    def words(self, bits: Vector) -> Ints:
        """Return what the cells give for each combination, as unsigned numbers.

        Raises:
            Gap: they read anything else.
        """
        found = Evaluator(self.values.shape[1], self._known).vector(bits)
        return np.asarray(found.astype(np.int64), np.int64)
