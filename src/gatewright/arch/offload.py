"""Choose the products that go to DSP blocks: the largest saving of LUTs a block first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from gatewright.arch.devices import Device
from gatewright.arch.planner import Planned
from gatewright.blocks.chains import LENGTH
from gatewright.hw import Kind, Module
from gatewright.ir import Graph, Offload, Plan, infer
from gatewright.passes.netlist import (
    Bits,
    Clock,
    Multiplier,
    cell_luts,
    into_blocks,
    modules,
    multipliers,
    total_resources,
)

WORTH = 4.0
"""LUTs that a block has to save at the least, or it is left unused."""

MOST_LEVELS = 12
"""Adders that a product in a block is taken to last at most."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """A circuit before registers are placed.

    Attributes:
        netlist: as it was lowered and optimised.
        circuit: the same with adder networks on unsigned codes; its products may be marked.
    """

    netlist: Module
    circuit: Module


Lower = Callable[[Mapping[str, Plan]], Lowered]


@dataclass(frozen=True)
class Share:
    """What one further block gives in a parallel operation.

    Attributes:
        node: the operation.
        blocks: DSP blocks, in all copies of the operation's circuit.
        each: blocks in one copy.
        saving: LUTs that each saves, roughly.
        price: adders that one signed digit of the constants costs.
    """

    node: str
    blocks: int
    each: int
    saving: float
    price: float


def offload(
    graph: Graph, planned: Planned, lowered: Lowered, lower: Lower, dsps: int, clock: Clock,
    device: Device,
) -> tuple[Planned, Lowered]:  # fmt: skip
    """Return the plan and the circuit with up to `dsps` products in DSP blocks.

    Args:
        graph: the integer model.
        planned: the plan without DSP blocks.
        lowered: the circuit of that plan; its products may be marked for blocks.
        lower: makes a circuit of plans.
        dsps: blocks that may be used.
        clock: a product of two variables must fit one period; a chain has a register between its
            product and its adder where the clock wants one.
        device: what a block is.
    """
    if dsps < 1 or clock.model.dsp_slowest > clock.budget:
        return planned, lowered
    shares = list(_shares(graph, planned, lowered.circuit, device))
    counts, chosen = _spend(dsps, shares, _products(lowered.circuit, device, clock))
    if counts:
        planned, lowered = _with_blocks(planned, lowered, lower, counts, clock, device)
        spent = total_resources(lowered.circuit).dsp
        _, chosen = _spend(dsps - spent, [], _products(lowered.circuit, device, clock))
    into_blocks(chosen)
    return planned, lowered


def _products(circuit: Module, device: Device, clock: Clock) -> list[Multiplier]:
    """Return the products of two variables that blocks could take at a clock."""
    return multipliers(circuit, device.block) if clock.model.dsp <= clock.budget else []


def _shares(graph: Graph, planned: Planned, circuit: Module, device: Device) -> Iterable[Share]:
    """Return the savings in each parallel operation, in LUTs by the adders of its layer."""
    types, adders = infer(graph), adder_luts(circuit)
    parallel = {c.node for c in planned.choices if c.plan.is_parallel}
    for node in graph.nodes:
        found = adders.get(node.layer or node.name, [])
        if node.name not in parallel or not found:
            continue
        given = [types[name] for name in node.inputs]
        savings = node.op.block_savings(device.block, len(found), *given)
        each = sum(found) / len(found)
        for blocks, saved in savings.chains:
            yield Share(node.name, blocks * savings.copies, blocks, saved * each, savings.price)


def adder_luts(top: Module) -> dict[str, list[float]]:
    """Return the LUTs of each adder that takes any, by layer.

    A module that a layer uses often counts once; one that layers share counts in each of them.
    """
    luts: dict[str, list[float]] = {}
    own: dict[int, list[float]] = {}
    seen = set()
    for instance in top.instances:
        layer = instance.module.origin
        for m in modules(instance.module):
            if id(m) not in own:
                own[id(m)] = _own_adders(m)
            if (layer, id(m)) not in seen:
                seen.add((layer, id(m)))
                luts.setdefault(layer, []).extend(own[id(m)])
    return luts


def _own_adders(m: Module) -> list[float]:
    """Return the LUTs of a module's own adders; those that are wiring are none."""
    known = Bits(m)
    sums = (s for s, kind in enumerate(m.kind) if kind in (Kind.ADD, Kind.SUB))
    return [luts for s in sums if (luts := cell_luts(m, s, known))]


def _spend(
    dsps: int, shares: list[Share], products: list[Multiplier]
) -> tuple[dict[str, list[Share]], list[Multiplier]]:
    """Give out blocks, the largest saving first; return shares by operation, and products."""
    offers: list[Share | Multiplier] = [*shares, *products]
    counts: dict[str, list[Share]] = {}
    chosen = []
    for offer in sorted(offers, key=lambda o: -o.saving):
        blocks = offer.blocks * (offer.copies if isinstance(offer, Multiplier) else 1)
        if offer.saving < WORTH or blocks > dsps:
            continue
        dsps -= blocks
        if isinstance(offer, Multiplier):
            chosen.append(offer)
        else:
            counts.setdefault(offer.node, []).append(offer)
    return counts, chosen


def _with_blocks(
    planned: Planned,
    lowered: Lowered,
    lower: Lower,
    counts: Mapping[str, list[Share]],
    clock: Clock,
    device: Device,
) -> tuple[Planned, Lowered]:
    """Build with blocks; a layer that needs no fewer LUTs with them goes without."""
    adder = clock.model.carry + 12 * clock.model.carry_bit
    levels = min(
        max(round((clock.model.dsp + (LENGTH - 1) * clock.model.dsp_add) / adder), 1), MOST_LEVELS
    )
    wanted = {
        node: Plan(1, Offload(sum(s.each for s in shares), device.block, levels, shares[0].price))
        for node, shares in counts.items()
    }
    layers = {c.node: c.layer or c.node for c in planned.choices}
    before = layer_luts(lowered.circuit)
    trial = lower({**planned.plans, **wanted})
    after = layer_luts(trial.circuit)
    kept = {n: p for n, p in wanted.items() if after[layers[n]] < before[layers[n]]}
    if not kept:
        return planned, lowered
    plans = {**planned.plans, **kept}
    choices = tuple(
        replace(
            c, plan=kept[c.node],
            reason=f"{c.reason}; DSP blocks where they save most LUTs",
        )
        if c.node in kept
        else c
        for c in planned.choices
    )  # fmt: skip
    return replace(planned, plans=plans, choices=choices), (
        trial if len(kept) == len(wanted) else lower(plans)
    )


def layer_luts(top: Module) -> dict[str, float]:
    """Return the estimated LUTs of each layer."""
    luts: dict[str, float] = {}
    for instance in top.instances:
        m = instance.module
        luts[m.origin] = luts.get(m.origin, 0.0) + total_resources(m).lut
    return luts
