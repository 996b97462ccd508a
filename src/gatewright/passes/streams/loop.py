"""A recurrent layer as one operation, in graphs that become stream designs.

Frontends unroll recurrent layers; `find_loops` finds the steps again. As one operation, a single
circuit can compute all steps, one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from gatewright.base import OptionError, UnsupportedError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.passes.streams.cell import Recurrence, constants
from gatewright.passes.streams.loop_static import static_loop
from gatewright.passes.streams.loop_unrolled import unrolled_loop
from gatewright.streams import Stream, Streams

States = Mapping[str, FixedArray]


@dataclass(frozen=True, eq=False)
class Loop(Op):
    """Do the steps of a recurrent layer.

    Where the state lives on from event to event, samples of a batch are events that follow each
    other in time.
    """

    what: Recurrence

    def real(self, *x: Reals) -> Reals:
        """Do the steps on real numbers."""
        what, cell, samples = self.what, self.what.cell, len(x[0])
        sequences, held, states = what.sorted(x, lambda v: np.repeat(v[None], samples, 0))
        rows: list[Reals] = []
        for k in range(what.steps):
            values = cell.real({n: v[:, k] for n, v in sequences.items()} | held | states)
            states = cell.next_of(values)
            parts = [values[name].reshape(samples, -1) for name in cell.results]
            rows.append(np.concatenate(parts, 1))
        return np.stack(rows, 1) if what.each else rows[-1]

    def infer(self, *x: Intervals) -> Intervals:
        """Return the types that the layer's results have where it is unrolled."""
        what = self.what
        assert [k.shape for k in x] == [k.shape for k in what.kinds], "a loop's operands changed"
        rows = []
        for types in what.traced if what.each else what.traced[-1:]:
            parts = [types[name] for name in what.cell.results]
            rows.append([np.concatenate([getattr(p, v).ravel() for p in parts]) for v in _PARTS])
        lo, hi, frac = (np.stack(v) if what.each else v[0] for v in zip(*rows, strict=True))
        return Intervals.of(lo, hi, frac)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Do the steps on integers."""
        return self.advance(*x)[0]

    def advance(
        self, *x: FixedArray, states: States | None = None
    ) -> tuple[FixedArray, dict[str, FixedArray]]:
        """Do the steps; return the result and the states behind the last sample.

        Args:
            x: operands, batch first.
            states: before the first sample; the initial ones by default.
        """
        if not self.what.stateful:
            return self._steps(x, states)
        found = []
        for b in range(len(x[0].q)):
            own = [FixedArray(v.q[b : b + 1], v.frac) for v in x]
            result, states = self._steps(own, states)
            found.append(result)
        if not found:
            return self._steps(x, None)[0], dict(states or {})
        return FixedArray(np.concatenate([r.q for r in found]), found[0].frac), dict(states or {})

    def _steps(
        self, x: Sequence[FixedArray], before: States | None
    ) -> tuple[FixedArray, dict[str, FixedArray]]:
        what, cell, samples = self.what, self.what.cell, len(x[0].q)
        sequences, held, states = what.sorted(x, lambda v: _repeated(v, samples))
        states |= before or {}
        rows: list[FixedArray] = []
        for k in range(what.steps):
            known = {n: _row(v, k) for n, v in sequences.items()} | held | states
            values = cell.evaluate(known, what.traced[k])
            states = cell.next_of(values)
            rows.append(_joined([values[name] for name in cell.results], samples))
        if not what.each:
            return rows[-1], states
        q, frac = np.stack([r.q for r in rows], 1), np.stack([r.frac for r in rows])
        return FixedArray(q, frac), states

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build every step, one after another."""
        what, cell = self.what, self.what.cell
        if what.stateful:
            raise UnsupportedError(
                "a circuit without state cannot keep a recurrent layer's state between events",
                found="a layer that is to keep its state, in a fully parallel design",
                supported="a stream design",
            )
        sequences, held, states = what.sorted(x, lambda v: constants(module, v))
        rows: list[list[int]] = []
        for k in range(what.steps):
            known = {n: Bus(v.signals[k]) for n, v in sequences.items()} | held | states
            values = cell.lower(module, known, (*cell.following, *cell.results))
            states = cell.next_of(values)
            rows.append([s for name in cell.results for s in values[name].flat])
        if not what.each:
            return x[0].with_signals(rows[-1], (what.width,))
        return x[0].with_signals(np.asarray(rows, np.int64), (what.steps, what.width))

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream:
        """Build one cell for all steps, its products folded or not, or one for each."""
        if plan.unroll and plan.cell:
            raise OptionError(
                "a recurrent layer with a cell for each step cannot have folded ones",
                place=to.layer,
                found="unroll, and a plan with `cell`",
                supported="one of them",
                remedy="leave `unroll` or `cell` out of the plan",
            )
        build = unrolled_loop if plan.unroll else static_loop
        return build(to, self.what, x, plan)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Estimate the LUTs of one cell."""
        types, found = self.what.traced[-1], 0.0
        for node in self.what.cell.nodes:
            own = node.op.luts(types[node.name], *(types[name] for name in node.inputs))
            if own is None:
                return None
            found += own
        return found

    def multiplications(self, *x: Intervals) -> int:
        """Return the products of all steps."""
        types = self.what.traced[-1]
        return self.what.steps * sum(
            node.op.multiplications(*(types[name] for name in node.inputs))
            for node in self.what.cell.nodes
        )


_PARTS = ("lo", "hi", "frac")


def _row(x: FixedArray, k: int) -> FixedArray:
    return FixedArray(x.q[:, k], np.broadcast_to(x.frac, x.q.shape[1:])[k])


def _joined(values: Sequence[FixedArray], samples: int) -> FixedArray:
    q = np.concatenate([v.q.reshape(samples, prod(v.q.shape[1:])) for v in values], 1)
    frac = np.concatenate([np.broadcast_to(v.frac, v.q.shape[1:]).ravel() for v in values])
    return FixedArray(q, frac)


def _repeated(values: Reals, samples: int) -> FixedArray:
    q, frac = dyadic(values)
    return FixedArray(np.broadcast_to(q, (samples, *q.shape)).copy(), frac)
