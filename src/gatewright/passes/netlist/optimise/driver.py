"""Apply the rewrites to every module, each once, until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewright.hw import Module
from gatewright.hw.bulk import is_structure, with_children
from gatewright.passes.netlist.cost import modules
from gatewright.passes.netlist.optimise.cones import cones
from gatewright.passes.netlist.optimise.draft import Draft
from gatewright.passes.netlist.optimise.fold import fold
from gatewright.passes.netlist.optimise.offsets import offsets
from gatewright.passes.netlist.optimise.rectify import rectify
from gatewright.passes.netlist.optimise.trim import trim

Rewrite = Callable[[Module], Module]
"""Return a module that computes the same at the same ports; the very same where nothing changed."""

PASSES: tuple[Rewrite, ...] = (
    fold,  # first: the others look for patterns that this one makes plain
    rectify,  # brings rounding constants in front of the rectifiers, where
    offsets,  # they meet the biases
    trim,  # after the constants, which make grids finer, have found their place
    cones,  # last: the cells that are left are what a table has to beat
)
"""The rewrites, in order."""

ROUNDS = 4
"""How often the list is gone through at most, while anything changes."""


def optimise(top: Module, passes: Sequence[Rewrite] = PASSES) -> Module:
    """Return a circuit that computes the same with less logic.

    Args:
        top: a circuit before registers are placed.
        passes: the rewrites to apply.

    Every module is rewritten once, however often it is used; instances and ports stay. Modules
    that hold registers or memories of their own stay as they are, with all that they use, and so do
    modules that are to be read as they were built.
    """
    done: dict[int, Module] = {}
    for module in modules(top):
        done[id(module)] = _optimise_one(module, done, passes)
    return done[id(top)]


def _optimise_one(m: Module, done: dict[int, Module], passes: Sequence[Rewrite]) -> Module:
    """Rewrite one module whose children have been rewritten."""
    if m.holds_state or m.as_built:
        return m
    if is_structure(m):
        fresh = any(done[id(i.module)] is not i.module for i in m.instances)
        return with_children(m, done) if fresh else m
    if any(done[id(i.module)] is not i.module for i in m.instances):
        m = Draft(m).finish(done)
    idle = 0
    for rewrite in [*passes] * ROUNDS:
        before, m = m, rewrite(m)
        idle = idle + 1 if m is before else 0
        if idle == len(passes):  # each has seen the module as it is now
            break
    return m
