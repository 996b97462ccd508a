"""In which beats each conformance case is streamed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from gatewright.ir import Node, Plan, infer
from gatewright.ops import Dense, Forest, GroupedDense
from gatewright.passes.streams.slabs import slabs
from tests.ops.cases.common import Case

REUSES = (1, 2, 3)
"""Reuse factors of folded products, beside that of a single multiplier."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A case and how it is streamed.

    Attributes:
        label: what the plan is about.
        plans: by the name of a node or input.
        most_steps: that an actor may take for an event.
    """

    case: Case
    label: str
    plans: dict[str, Plan]
    most_steps: int = 1 << 30

    @property
    def name(self) -> str:
        """The case and the plan."""
        return f"{self.case.name}-{self.label}"


@dataclass(frozen=True, eq=False)
class Planner:
    """All plans of a case."""

    case: Case

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return infer(self.case.graph())["y"].shape

    @cached_property
    def slabs(self) -> list[int]:
        """Elements of each kind of slab, smallest first; single elements where there are none."""
        node = Node("y", self.case.op, ("x0",))
        found = slabs(node, [t.shape for t in self.case.inputs], self.shape)
        return sorted({prod(self.shape[axes:]) for _, axes in found}) or [1]

    def planned(self) -> list[Planned]:
        """Return the plans, no two of them the same."""
        least, size = self.slabs[0], prod(self.shape)
        row = self.shape[-1] if self.shape else 1
        found = [
            self._beats("P1", least, 1),
            self._beats("P2", 2 * least, 2),
            self._beats("P3", 3 * least, 1 << 30),
            self._beats("elements", 1, 1),
            self._beats("pairs", 2, 3),
            self._beats("row", row, 1 << 30),
            self._beats("whole", size, 1),
            self._beats("all", size, 1 << 30),
            self._beats("fast", min(2, size), 3, most_steps=2),
            *self._folded(),
            *self._walked(),
        ]
        known: dict[object, Planned] = {}
        for each in found:
            known.setdefault((tuple(each.plans.items()), each.most_steps), each)
        return list(known.values())

    def _beats(self, label: str, out: int, come: int, most_steps: int = 1 << 30) -> Planned:
        """Give beats of `out` elements; each input comes in beats of `come`, or whole."""
        plans = {"y": Plan(beat=min(out, max(prod(self.shape), 1)))}
        for number, kind in enumerate(self.case.inputs):
            plans[f"x{number}"] = Plan(beat=max(min(come, prod(kind.shape)), 1))
        return Planned(self.case, label, plans, most_steps)

    def _walked(self) -> list[Planned]:
        """Walk down one tree of a forest at once, two, or all, nodes in LUTs or in blocks."""
        if not isinstance(self.case.op, Forest):
            return []
        ways = [("L1", 1, "auto"), ("L2", 2, "block"), ("L3", self.case.op.trees, "auto")]
        return [
            Planned(self.case, label, {"y": Plan(lanes=lanes, memory=memory)})
            for label, lanes, memory in ways
        ]

    def _folded(self) -> list[Planned]:
        """Fold products so that their multipliers serve 1, 2, 3 steps, or all."""
        if not isinstance(self.case.op, Dense | GroupedDense):
            return []
        n_in, n_out = self.case.op.weight.shape[-2:]
        found = []
        for reuse in dict.fromkeys((*REUSES, n_in * n_out)):
            ways = [
                (taken, given)
                for taken in range(1, n_in + 1)
                for given in range(1, n_out + 1)
                if ceil(n_in / taken) * ceil(n_out / given) == reuse
            ]
            # Cuts that do not fill up come first, then those with fewest multipliers.
            ways.sort(key=lambda w: (n_in % w[0] == 0 and n_out % w[1] == 0, w[0] * w[1]))
            for taken, given in dict.fromkeys(ways[:1] + ways[-1:]):
                plans = {"y": Plan(beat=given, taken=taken), "x0": Plan(beat=min(2, n_in))}
                found.append(Planned(self.case, f"R{reuse}-{taken}x{given}", plans))
        return found


def small(cases: list[Case]) -> list[Case]:
    """Return the cases with least bits of inputs, half of them or a few."""
    ranked = sorted(cases, key=lambda c: sum(int(t.width.sum()) for t in c.inputs))
    return ranked[: max(len(ranked) // 2, 5)]


def chosen(cases: list[Case], most: int) -> list[Planned]:
    """Return a few plans of one operation's cases: every label, over as many cases as may be."""
    every = [Planner(case).planned() for case in cases]
    left: dict[str, list[Planned]] = {}
    for number, plans in enumerate(every):
        for each in plans[number % len(plans) :] + plans[: number % len(plans)]:
            left.setdefault(each.label.partition("-")[0], []).append(each)
    found: list[Planned] = []
    used: dict[str, int] = {}
    start = cases[0].seed % len(left) if cases else 0  # else all would begin with the same plan
    labels = [*left.values()][start:] + [*left.values()][:start]
    for round_ in range(most):
        for options in labels:
            if len(found) >= most:
                return found
            rest = [p for p in options if p not in found]
            if rest and round_ < len(options):
                # The case that was least used so far, of those the one that comes first.
                best = min(rest, key=lambda p: used.get(p.case.name, 0))
                used[best.case.name] = used.get(best.case.name, 0) + 1
                found.append(best)
    return found
