"""Look for inputs on which a layer's Verilog and the model differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatewright.flow.prove.expected import Elements
from gatewright.flow.prove.forms import Form, Gap, Space
from gatewright.flow.prove.layer import Outcome, Output
from gatewright.flow.prove.vectors import Evaluator, Signal, Words
from gatewright.ir import Node
from gatewright.num import FixedArray, Ints

RANDOM = 256
"""Random samples, a quarter of them at the ends of the ranges."""

TRIES = 64
"""Values that are aimed at for each output that seems to differ."""


class Search:
    """Samples of a layer's inputs, run through the cells and through the model's operations.

    Attributes:
        variables: numbers of the variables that the inputs are.
        samples: their values, of shape (samples, variables).
    """

    def __init__(
        self, space: Space, values: Mapping[str, Elements], aims: Sequence[Outcome], seed: int = 0
    ) -> None:
        self.space, self.values = space, values
        forms = [e.form for elements in values.values() for e in elements.ravel()]
        self.variables = sorted({v for form in forms for v in form.terms})
        self.place = {v: i for i, v in enumerate(self.variables)}
        self.rng = np.random.default_rng(seed)
        self.low = np.array([space.variables[v].low for v in self.variables], np.int64)
        self.high = np.array([space.variables[v].high for v in self.variables], np.int64)
        rows = [self._random()]
        for outcome in aims:
            for form, value in outcome.aim[:TRIES]:
                rows += self._extremes(form) if value is None else self._solve(form, value)
        self.samples = np.concatenate(rows)

    def _random(self) -> Ints:
        shape = (RANDOM, len(self.variables))
        q = self.rng.integers(self.low, self.high + 1, shape)
        ends = np.where(self.rng.random(shape) < 0.5, self.low, self.high)
        return np.asarray(np.where(np.arange(RANDOM)[:, None] % 4 == 0, ends, q), np.int64)

    def _extremes(self, form: Form) -> list[Ints]:
        """Return samples where a form is greatest and where it is least."""
        if any(v not in self.place for v in form.terms):
            return []
        found = []
        for sign in (1, -1):
            q = self.rng.integers(self.low, self.high + 1)
            for v, c in form.terms.items():
                i = self.place[v]
                q[i] = self.high[i] if c * sign > 0 else self.low[i]
            found.append(q[None])
        return found

    def _solve(self, form: Form, value: int) -> list[Ints]:
        """Return a sample where a form has a value, if one is found: large coefficients first."""
        if any(v not in self.place for v in form.terms):
            return []
        q = self.rng.integers(self.low, self.high + 1)
        rest = value - form.constant
        order = sorted(form.terms, key=lambda v: -abs(form.terms[v]))
        for n, v in enumerate(order):
            c, i = form.terms[v], self.place[v]
            others = Form({u: form.terms[u] for u in order[n + 1 :]})
            least, most = self.space.range(others)
            ends = sorted(((rest - most) / c, (rest - least) / c))
            lowest = max(int(np.ceil(ends[0])), int(self.low[i]))
            highest = min(int(np.floor(ends[1])), int(self.high[i]))
            if lowest > highest:
                return []
            q[i] = self.rng.integers(lowest, highest + 1)
            rest -= c * int(q[i])
        return [q[None]] if not rest else []

    def over(self, form: Form) -> Ints:
        """Return a form over the samples."""
        total = np.full(len(self.samples), form.constant, np.int64)
        for v, c in form.terms.items():
            total += c * self.samples[:, self.place[v]]
        return total

    def _known(self, signal: Signal, end: int) -> Words | None:
        if signal.cell is not None:
            return None
        assert signal.form is not None
        return self.over(signal.form).astype(np.uint64) & np.uint64((1 << signal.width) - 1)

    def model(self, nodes: Sequence[Node]) -> dict[str, FixedArray]:
        """Return every value of a layer by the operations' own `evaluate`."""
        values = {}
        for name, elements in self.values.items():
            q = np.stack([self.over(e.form) for e in elements.ravel()], axis=1)
            frac = np.array([e.frac for e in elements.ravel()], np.int64)
            shape = elements.shape
            values[name] = FixedArray(q.reshape(-1, *shape), frac.reshape(shape))
        for node in nodes:
            values[node.name] = node.op.evaluate(*(values[name] for name in node.inputs))
        return values

    def run(self, nodes: Sequence[Node], outputs: Sequence[tuple[str, int, Output]]) -> str:
        """Return the first difference, or nothing.

        Args:
            nodes: the layer's operations.
            outputs: for each output its value's name and its place in it.
        """
        values = self.model(nodes)
        circuit = Evaluator(len(self.samples), self._known)
        for name, index, output in outputs:
            try:
                words = circuit.vector(output.bits).astype(np.int64)
            except Gap:
                continue
            width = len(output.bits)
            if output.signed and width:
                words = words - ((words >> (width - 1) & 1) << width)
            wanted = values[name].q.reshape(len(words), -1)[:, index]
            frac = int(np.broadcast_to(values[name].frac, values[name].q.shape[1:]).ravel()[index])
            finest = max(frac, output.frac)
            bad = (words << (finest - output.frac)) != (wanted << (finest - frac))
            if bad.any():
                return self._text(output, int(np.argmax(bad)), words, wanted, frac)
        return ""

    def _text(self, output: Output, at: int, words: Ints, wanted: Ints, frac: int) -> str:
        ours, right = words[at] * 2.0**-output.frac, wanted[at] * 2.0**-frac
        rows = self.samples[at]
        used = [
            v for v in self.variables if self.space.variables[v].low != 0 or rows[self.place[v]]
        ]
        inputs = ", ".join(
            f"{self.space.variables[v].name} = {self.samples[at, self.place[v]]}" for v in used[:12]
        )
        more = f" and {len(used) - 12} more" if len(used) > 12 else ""
        return f"{output.name} is {ours:g} instead of {right:g} where {inputs}{more} (integers)"
