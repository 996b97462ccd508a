"""Choose the shape of hardware: fully parallel where that is reasonable, folded where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.base import OptionError
from gatewright.ir import Graph, Plan, infer

PARALLEL_WEIGHTS = 20_000
"""Non-zero weights up to which a network is built fully parallel: some 10**5 LUTs, seconds."""

FOLDED_MULTIPLIERS = 1_500
"""Multipliers that a folded network is given where the user states no reuse factor."""


ASKED = "the reuse factor asked for"


@dataclass(frozen=True)
class Choice:
    """What was planned for one operation, and why."""

    node: str
    layer: str
    plan: Plan
    products: int
    reason: str


@dataclass(frozen=True)
class Planned:
    """Plans by node name (those that are not parallel), and the table of choices."""

    plans: dict[str, Plan]
    choices: tuple[Choice, ...]


def plan(graph: Graph, reuse: int | None = None, reason: str = ASKED) -> Planned:
    """Plan every operation that multiplies.

    Args:
        graph: a quantized graph.
        reuse: cycles that each multiplier serves; None lets size decide. A layer with fewer
            products than `reuse` is folded as far as it goes.
        reason: why there is a reuse factor, for the table of choices.

    Raises:
        OptionError: `reuse` is below 1, or nothing in the model can be folded.
    """
    types = infer(graph)
    folding = [
        (node, node.op.multiplications(*(types[name] for name in node.inputs)))
        for node in graph.nodes
        if node.op.folds
    ]
    if reuse is not None:
        _check(reuse, bool(folding))
        chosen = reuse
    else:
        chosen, reason = _by_size([node.op for node, _ in folding], [n for _, n in folding])
    plans, choices = {}, []
    for node, products in folding:
        factor = min(chosen, products)
        if factor > 1:
            plans[node.name] = Plan(factor)
        choices.append(Choice(node.name, node.layer, Plan(factor), products, reason))
    return Planned(plans, tuple(choices))


def _check(reuse: int, can_fold: bool) -> None:
    if reuse < 1:
        raise OptionError("the reuse factor is impossible", found=reuse, supported="1 and above")
    if reuse > 1 and not can_fold:
        raise OptionError(
            "the model has nothing that can be folded",
            found=f"reuse factor {reuse}",
            supported="reuse factors above 1 for models with dense layers",
            remedy="leave the reuse factor out",
        )


def live_weights(graph: Graph) -> int:
    """Return the weights that are not zero, of all operations that can be folded."""
    return _live([node.op for node in graph.nodes if node.op.folds])


def _live(ops: Sequence[object]) -> int:
    return sum(int(np.count_nonzero(getattr(op, "weight", np.zeros(0)))) for op in ops)


def _by_size(ops: Sequence[object], products: list[int]) -> tuple[int, str]:
    """Return one reuse factor for all layers, so that all keep the same pace."""
    live = _live(ops)
    if live <= PARALLEL_WEIGHTS:
        return 1, f"{live:,} non-zero weights, at most {PARALLEL_WEIGHTS:,}: fully parallel"
    total = sum(products)
    factor = 2
    while sum(-(-n // factor) for n in products) > FOLDED_MULTIPLIERS and factor < max(products):
        factor += max(1, factor // 8)
    reason = (
        f"{live:,} non-zero weights: {total:,} products on about {total // factor:,} multipliers"
    )
    return factor, reason
