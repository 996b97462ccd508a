"""Hold the numbers of adder networks as unsigned codes: a number plus a known constant.

A signed addition takes a lookup table for every bit of its result above the coarser operand's grid,
because the shorter operand's sign reaches all of them. Codes that are never negative have nothing
above their top: an addition takes a lookup table where both operands have a bit, and nowhere else.
The constants of all codes are known and are made up for where something else than an adder reads
the number; `recode_constants` brings most of them into bits that are free.

`recode_network` reads the networks, `recode_plan` chooses the codes, `recode_build` writes them.
"""

from __future__ import annotations

from gatewright.hw import Module
from gatewright.hw.bulk import is_structure, with_children
from gatewright.passes.netlist.cost import modules, own_resources
from gatewright.passes.netlist.recode_build import Build
from gatewright.passes.netlist.recode_constants import distribute
from gatewright.passes.netlist.recode_network import Network
from gatewright.passes.netlist.recode_plan import Plan, TooWideError


def recode(top: Module) -> Module:
    """Return an equal circuit whose adders compute on unsigned codes where that is cheaper.

    Every module is written once; ports keep their numbers, names and order. Where a module would
    not get cheaper it stays as it is; so does one that holds memories or is to be read as it was
    built, with all that it uses.

    Args:
        top: the circuit before registers are placed.
    """
    done: dict[int, Module] = {}
    for module in modules(top):
        if module.memories or module.as_built:
            done[id(module)] = module
            continue
        if is_structure(module):
            fresh = any(done[id(i.module)] is not i.module for i in module.instances)
            done[id(module)] = with_children(module, done) if fresh else module
            continue
        done[id(module)] = _recoded(module, [done[id(i.module)] for i in module.instances])
    return done[id(top)]


def _recoded(m: Module, children: list[Module]) -> Module:
    """Return one module with new children, its own networks in codes where they pay."""
    same = all(c is i.module for c, i in zip(children, m.instances, strict=True))
    net = Network.of(m)
    if any(net.outside):
        try:
            plan = Plan.of(net)
            distribute(plan)
            new = Build(net, plan, children).run()
            if own_resources(new).lut < own_resources(m).lut:
                return new
        except TooWideError:
            pass
    plain = Network(m, net.grid, net.live)
    return m if same else Build(plain, Plan(plain), children).run()
