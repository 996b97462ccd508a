"""Bring the user's limits and the planner together, and say what a design took of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gatewright.arch import Budget, Built
from gatewright.arch.budget import Build, need_of
from gatewright.arch.planner import PARALLEL_WEIGHTS, live_weights
from gatewright.base import OptionError
from gatewright.flow.options import FASTEST, SLOWEST, Options, cycles_at
from gatewright.ir import Graph, infer
from gatewright.passes.netlist import Clock, Resources, least_latency

if TYPE_CHECKING:
    from gatewright.flow.design import Design

SLOWER = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
FASTER = (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Clocks that are looked at where the latency is too long, nearest first."""


def budget_of(graph: Graph, options: Options, build: Build) -> Budget:
    """Return the search for a plan within a user's limits."""
    types = infer(graph)
    most = max(
        (
            node.op.multiplications(*(types[name] for name in node.inputs))
            for node in graph.nodes
            if node.op.folds
        ),
        default=1,
    )
    return Budget(
        build,
        options.limits,
        options.reuse,
        most,
        live_weights(graph) <= PARALLEL_WEIGHTS,
        options.device.dsp,
        lambda built: other_clock(built, options),
    )


def other_clock(built: Built, options: Options) -> str:
    """Say at which clock, near the one asked for, a circuit would meet the latency limit."""
    circuit = built.lowered.circuit
    model = options.clock_for(circuit).model
    is_time = (options.max_latency or "").endswith("ns")
    for mhz in _near(options.clock_mhz, SLOWER + FASTER if is_time else SLOWER):
        most = cycles_at(options.max_latency, mhz)
        try:
            cycles = least_latency(circuit, Clock(1e3 / mhz, model))
        except OptionError:
            continue
        if most is not None and cycles <= most:
            word = "cycle" if cycles == 1 else "cycles"
            return f"at {mhz:g} MHz it takes {cycles:,} {word}, {cycles * 1e3 / mhz:.4g} ns"
    return ""


def _near(mhz: float, factors: Iterable[float]) -> list[float]:
    """Return other clocks, rounded to three figures, those nearest first."""
    clocks = {float(f"{mhz * factor:.3g}") for factor in factors}
    return sorted((c for c in clocks if SLOWEST <= c <= FASTEST), key=lambda c: (abs(c - mhz), c))


def budget_facts(design: Design, total: Resources) -> dict[str, Any]:
    """Return the limits and every plan that was looked at, as plain data.

    `total` is what the design takes.
    """
    limits = design.options.limits
    rows = []
    for tried in design.tried:
        need = tried.need
        rows.append({
            "plan": need.shape, "reuse": need.reuse, "lut": need.lut, "dsp": need.dsp,
            "cycles": need.cycles, "ns": need.cycles * design.options.clock_ns,
            "interval": need.interval, "excess": dict(tried.excess),
        })  # fmt: skip
    built = need_of(design.planned, design.module, total)
    return {
        "max_luts": limits.luts,
        "max_luts_from": "asked for" if limits.luts_asked else design.options.device.name,
        "max_dsps": limits.dsps,
        "max_latency": limits.latency or None,
        "max_cycles": limits.cycles,
        "status": "estimated",
        "chosen": built.shape,
        "fits": not limits.excess(built),
        "excess": limits.excess(built),
        "plans": rows,
        "note": _note(design),
    }


def _note(design: Design) -> str:
    """Say why no DSP block is used although some may be."""
    options = design.options
    if not options.max_dsps:
        return ""
    clock = options.clock_for(design.circuit)
    model, left = clock.model, f"a clock of {options.clock_mhz:g} MHz leaves {clock.budget:.3g} ns"
    if model.dsp <= clock.budget:
        return ""
    if model.dsp_slowest > clock.budget:
        part = f"{model.dsp_slowest:.3g} ns between registers"
        return f"a DSP block takes {part}, and {left}: none is used"
    return (
        f"a DSP block takes {model.dsp:.3g} ns without a register inside, and {left}: none is used "
        "for products of two variables"
    )
