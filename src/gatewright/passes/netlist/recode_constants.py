"""Bring the constant that a result still needs into the gaps of the sums before it.

The offsets of all codes add up to one constant for each result. Where that is added at the end it
takes a row of an adder and its delay. But sums have room for constants that costs little or
nothing: the bits above the top of their shorter operand and below the bottom of their coarser one,
and a carry in. From the lowest bit of the constant on we look for the cheapest room among the sums
that only this result reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gatewright.passes.netlist.recode_plan import Plan, TooWideError

MOST_STEPS = 200
DEEPEST = 16
"""Sums before a result, in a row, among which room is looked for."""

IMPOSSIBLE = 1e9
WIDER = 1.5
"""What a code costs that gets a bit wider."""


@dataclass(frozen=True)
class _Place:
    """A sum that only one result reads: the way to it, and the power of two of its unit."""

    node: int
    exponent: int
    way: tuple[int, ...]


@dataclass(frozen=True)
class _Try:
    """A change of one constant of a sum."""

    cost: float
    place: _Place
    what: str
    value: int


def distribute(plan: Plan) -> None:
    """Choose the constants of all sums so that results need no addition at the end."""
    net = plan.net
    for node, total in enumerate(net.sums):
        if total is None or not net.needed[node]:
            continue
        plan.settle(node)  # operands that are results of their own may have changed
        if net.outside[node]:
            _Result(plan, node).run()


class _Result:
    """The constants on the way to one result."""

    def __init__(self, plan: Plan, node: int) -> None:
        self.plan, self.node = plan, node
        net = plan.net
        self.signal = max(net.outside[node], key=lambda s: (net.module.width(s), -s))
        self.term = net.term[self.signal]
        m, s = net.module, self.signal
        self.bits = m.width(s) - m.frac[s] - self.term.exponent
        self.places = list(self._places())

    def _places(self) -> Iterator[_Place]:
        net = self.plan.net
        todo = [_Place(self.node, 0, (self.node,))]
        while todo:
            place = todo.pop()
            yield place
            total = net.sums[place.node]
            assert total is not None
            for o, e in ((total.a, total.ea), (total.b, total.eb)):
                alone = len(net.reads[o]) == 1 and not net.outside[o]
                if alone and net.sums[o] is not None and len(place.way) < DEEPEST:
                    todo.append(_Place(o, place.exponent + e, (o, *place.way)))

    def missing(self) -> int:
        """Return the constant that the result lacks, in units of its node."""
        plan, t = self.plan, self.term
        _, offset = plan.operand(self.node, t.sign != plan.sign[self.node])
        unit = t.exponent + plan.net.grid
        return ((t.constant >> unit) - offset) & ((1 << self.bits) - 1)

    def run(self) -> None:
        """Clear the missing constant bit by bit, from the lowest on."""
        plan, total = self.plan, self.plan.net.sums[self.node]
        assert total is not None
        for _ in range(MOST_STEPS):
            rest = self.missing()
            if not rest:
                return
            bit = (rest & -rest).bit_length() - 1
            step = min(plan.tops(total))
            if plan.is_root[self.node] and bit >= step and not plan.is_apart(total):
                self._finish(rest >> step, step)
                return
            best = self._cheapest(bit)
            if best is None:
                return
            self._set(best)

    def _cheapest(self, bit: int) -> _Try | None:
        """Return the change that clears a bit for the least, if there is one."""
        found, least = None, IMPOSSIBLE
        for attempt in sorted(self._tries(bit), key=lambda t: t.cost):
            if attempt.cost >= least:  # what it widens only adds
                break
            cost = self._cost(attempt, bit)
            if cost < least:
                found, least = attempt, cost
        return found

    def _finish(self, rest: int, step: int) -> None:
        """Add what is missing at the top of the result's own sum."""
        plan, node = self.plan, self.node
        keep = plan.lift[node]
        if self.term.sign != plan.sign[node]:
            rest = -rest
        plan.lift[node] = (keep + rest) % (1 << max(self.bits - step, 0))
        plan.settle(node)
        if self.missing():
            plan.lift[node] = keep
            plan.settle(node)

    def _tries(self, bit: int) -> Iterator[_Try]:
        """Yield the rooms for a bit, with what they cost."""
        plan = self.plan
        for place in self.places:
            node, at = place.node, bit - place.exponent
            total = plan.net.sums[node]
            assert total is not None
            if at < 0:
                continue
            tops, depth = plan.tops(total), len(place.way) / 100
            if plan.is_apart(total):
                if min(tops) <= at < total.start:
                    for change in (1, -1):
                        lift = plan.lift[node] + (change << (at - min(tops)))
                        if 0 <= lift < 1 << (total.start - min(tops)):
                            yield _Try(depth, place, "lift", lift)
            elif at >= min(tops):
                for change in (1, -1):
                    lift = plan.lift[node] + (change << (at - min(tops)))
                    yield _Try(0.1 + depth, place, "lift", lift)
            elif at == total.start:
                if not plan.low[node]:
                    yield _Try(0.8 + depth, place, "carry", 1 - plan.carry[node])
            elif at < total.start and not plan.carry[node]:
                low = plan.low[node]
                first = (low & -low).bit_length() - 1 if low else total.start
                cost = max(first - at, 0) * 1.0
                yield _Try(cost + depth, place, "low", low ^ (1 << at))

    def _set(self, attempt: _Try) -> None:
        """Make a change."""
        column: list[int] = getattr(self.plan, attempt.what)
        column[attempt.place.node] = attempt.value
        for n in attempt.place.way:
            self.plan.settle(n)

    def _cost(self, attempt: _Try, bit: int) -> float:
        """Return what a change costs, widened codes included; the change is taken back."""
        plan, way, node = self.plan, attempt.place.way, attempt.place.node
        before = [(plan.offset[n], plan.width[n]) for n in way]
        column: list[int] = getattr(plan, attempt.what)
        kept, cost = column[node], IMPOSSIBLE
        try:
            self._set(attempt)
            rest = self.missing()
            if rest & ((2 << bit) - 1) == 0:
                wider = sum(
                    plan.width[n] - w
                    for n, (_, w) in zip(way, before, strict=True)
                    if not plan.is_root[n]
                )
                cost = attempt.cost + WIDER * wider + rest.bit_count() / 1000
        except TooWideError:
            pass
        column[node] = kept
        for n, (offset, width) in zip(way, before, strict=True):
            plan.offset[n], plan.width[n] = offset, width
        return cost
