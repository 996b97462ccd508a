"""Choose which products of a recurrent cell are shared over time, for so many cycles a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod

from gatewright.arch.devices import Device
from gatewright.arch.stream_cost import Cost, folded_cost, parallel_cost, wants_dsp
from gatewright.blocks.serial import SerialShape, serial_luts
from gatewright.ir import Plan
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Dense
from gatewright.passes.streams.cell import Recurrence
from gatewright.passes.streams.loop_folded import foldable
from gatewright.streams import beat_types

AROUND = 8
"""Cycles of a step beside its products: the state's actor, the way back, the pipeline of the rest;
what is built is counted exactly, and planned again for fewer cycles where that is too slow."""

BESIDE = 6
"""Cycles of a product beside its folding: its beats are cut and joined, and its pipeline."""


@dataclass(frozen=True)
class FoldedCell:
    """The products that are shared, by name, and what the cell costs in all."""

    plans: tuple[tuple[str, Plan], ...]
    cost: Cost
    folding: int


def fold_cell(
    what: Recurrence, cycles: int, whole: Cost, device: Device, blocks: int
) -> FoldedCell | None:
    """Return the cell with the products shared that cost less so; None where none do.

    Args:
        what: the recurrent layer.
        cycles: that a step may take.
        whole: cost of the cell with all products parallel.
        device: whose DSP blocks products may use.
        blocks: how many of them are left.
    """
    products = foldable(what.cell)
    if not products or what.stateful:
        return None
    depth = max(_depths(what).values())
    folding = (cycles - AROUND) // depth - BESIDE
    plans: list[tuple[str, Plan]] = []
    for node in products:
        x, y = what.types[node.inputs[0]], what.types[node.name]
        assert isinstance(node.op, Dense)
        before = parallel_cost(node.op, y, x, 1.0)
        plan, cost = _cheapest(node.op, x, y, folding, device, blocks, before)
        if plan is not None:
            plans.append((node.name, plan))
            whole = whole + replace(cost, lut=cost.lut - before.lut)
            blocks -= cost.dsp
    return FoldedCell(tuple(plans), whole, folding) if plans else None


def _depths(what: Recurrence) -> dict[str, int]:
    """Return how many products stand one behind the other, up to each."""
    cell, products = what.cell, foldable(what.cell)
    names = {node.name for node in products}
    found: dict[str, int] = {}
    for node in products:
        before = cell.ahead(node.inputs) & names
        found[node.name] = 1 + max((found[name] for name in before), default=0)
    return found


def _cheapest(
    op: Dense, x: Intervals, y: Intervals, steps: int, device: Device, blocks: int, before: Cost
) -> tuple[Plan | None, Cost]:
    """Return the plan of a product of at most so many steps that costs least; None: parallel."""
    best: tuple[Plan | None, Cost] = None, before
    n_in, n_out = op.weight.shape
    rows = prod(x.shape[:-1])
    steps //= max(rows, 1)
    row = beat_types(x, n_in)
    width = SerialShape.of(row, 1).width
    bits = ceil(width / max(steps, 1))
    if steps > 1 and bits < width and rows == 1:
        cost = Cost(lut=serial_luts(FixedArray.exact(op.weight).q, row, bits))
        if cost.weight < best[1].weight:
            best = Plan(bits=bits, beat=n_out), cost
    for groups in range(1, min(steps, n_out) + 1):
        given = ceil(n_out / groups)
        taken = ceil(n_in / min(steps // groups, n_in))
        if ceil(n_out / given) * ceil(n_in / taken) < 2:
            continue
        dsp = wants_dsp(op, x, device)
        cost = folded_cost(op, x, taken, given, device, dsp)
        if dsp and cost.dsp > blocks:
            dsp, cost = False, folded_cost(op, x, taken, given, device, False)
        if cost.weight < best[1].weight:
            style, block = "auto" if dsp else "lut", device.block
            best = Plan(beat=given, taken=taken, multipliers=style, block=block), cost
    return best
