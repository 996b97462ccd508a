"""Place registers so that a clock is met, and state latency and interval exactly.

Every signal gets a *label*: the number of clock cycles by which it is later than the module's
inputs. A cell reads operands of one label only; where an operand is earlier, registers are put in
between, shared by all who read it. Adding the same number of registers to every path into a cell
changes nothing but the latency (a cut set; Leiserson and Saxe 1991).

`split_products` cuts products that no single period can hold, `schedule` finds the earliest labels
and with them the least latency, `retime` moves them to where registers are fewest at that latency
(or at a longer one that was asked for), `rebuild` writes the circuit with its registers.
"""

from __future__ import annotations

from gatewright.base import OptionError
from gatewright.hw import Module
from gatewright.passes.netlist.cost import modules
from gatewright.passes.netlist.delay import Clock
from gatewright.passes.netlist.rebuild import Rebuild
from gatewright.passes.netlist.retime import WORK, retime
from gatewright.passes.netlist.schedule import Schedule, Scheduler
from gatewright.passes.netlist.split_products import split_products

__all__ = ["MOST_CYCLES", "Clock", "least_latency", "pipeline"]

MOST_CYCLES = 4096
"""Longest latency that can be asked for."""


def pipeline(top: Module, clock: Clock, latency: int | None = None, effort: int = WORK) -> Module:
    """Return the circuit with registers for a clock, as few of them as the latency allows.

    Args:
        top: the circuit before registers are placed.
        clock: period and delay model.
        latency: cycles from input to output; None takes the fewest that the clock allows.
        effort: limit of the search for the fewest registers, in arcs looked at; 0 leaves every
            cell in the earliest cycle that it can have.

    Raises:
        OptionError: a single cell or a loop takes longer than the period allows; or the circuit
            needs more cycles than `latency`.
    """
    _refuse_memories(top)
    top = split_products(top, clock)
    schedule = Scheduler(clock).run(top, [0.0] * len(top.input_signals))
    if latency is not None:
        _pad(schedule, clock, latency)
    if effort > 0:
        retime(schedule, clock.budget, effort)
    return _rebuild(schedule, {})


def least_latency(top: Module, clock: Clock) -> int:
    """Return the fewest cycles from input to output that a clock allows."""
    _refuse_memories(top)
    top = split_products(top, clock)
    return Scheduler(clock).run(top, [0.0] * len(top.input_signals)).latency


def _refuse_memories(top: Module) -> None:
    """Refuse a circuit with memories: when they are read and written is their module's to say."""
    for m in modules(top):
        assert not m.memories, (
            f"module {m.name} holds memories: place its registers by hand, pipeline what it uses"
        )


def _pad(schedule: Schedule, clock: Clock, latency: int) -> None:
    """Move the outputs to a cycle that was asked for."""
    least = schedule.latency
    if not least <= latency <= MOST_CYCLES:
        many = latency > MOST_CYCLES
        raise OptionError(
            "the latency is too long" if many else "the latency is too short for this circuit",
            place=schedule.module.origin or schedule.module.name,
            found=f"{latency} cycles at {1e3 / clock.period:.0f} MHz",
            supported=f"{least} to {MOST_CYCLES} cycles",
            remedy="delay the answers outside of the design"
            if many
            else f"ask for {least} cycles or more, choose a slower clock, or leave the latency out",
        )
    schedule.depth += latency - least


def _rebuild(schedule: Schedule, done: dict[int, Module]) -> Module:
    """Write a module and all that it uses, each once."""
    children: list[Module | None] = []
    for child in schedule.children:
        if child is None:
            children.append(None)
            continue
        if id(child) not in done:
            done[id(child)] = _rebuild(child, done)
        children.append(done[id(child)])
    built = Rebuild(schedule, children).run()
    built.latency = schedule.latency
    intervals = (c.interval for c in children if c is not None)
    built.interval = max([schedule.module.interval, *intervals])
    return built
