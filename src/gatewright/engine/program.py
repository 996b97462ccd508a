"""A circuit without state as LLVM text: a row of functions for each module."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.base import UnsupportedError
from gatewright.engine.cells import RULES
from gatewright.engine.lanes import WIDTHS, Lanes, share
from gatewright.engine.layout import ALIGN, Plan, Tables
from gatewright.engine.lookup import reader_text
from gatewright.engine.schedule import CALL, Chunk
from gatewright.engine.target import Target
from gatewright.engine.writer import PARAMETERS, Shared, Writer
from gatewright.hw import Kind, Module

CHUNK = 300
"""Cells in one function. Twice as many take LLVM half as long again, and run no faster."""

NARROW = 0.6
"""Share of cells that must fit 8 bits for 8-bit lanes, whose shifts and products are slow."""


@dataclass(frozen=True, eq=False)
class Program:
    """Everything the engine runs for a module.

    Attributes:
        top: plan of the module itself.
        block: samples computed at once.
        least: bits of the narrowest lane.
        tables: the words of all tables.
        text: LLVM text; `top` is its entry.
        cells: cells that are computed for a sample.
    """

    top: Plan
    block: int
    least: int
    tables: Tables
    text: str
    cells: int

    @classmethod
    def of(cls, module: Module, target: Target, chunk: int | None = None) -> Program:
        """Plan and write a circuit.

        Raises:
            UnsupportedError: it holds registers.
        """
        if module.is_sequential:
            raise UnsupportedError(
                "the emulator runs circuits without registers",
                place=module.origin or module.name,
                found=f"module {module.name} holds registers",
                supported="circuits before pipelining, fully parallel",
                remedy="emulate the circuit as it was before registers were placed, or simulate it",
            )
        modules = below(module)
        least, block = _shape(modules, target)
        plans: dict[int, Plan] = {}
        shared, parts = Shared(target), []
        for number, current in enumerate(modules):
            plan = Plan.of(number, Lanes.of(current, least), block, chunk or CHUNK, plans)
            plans[id(current)] = plan
            parts.append(_module_text(plan, shared))
        parts.extend(reader_text(wide, lane, block) for wide, lane in sorted(shared.lookups))
        top = plans[id(module)]
        entry = f"define void @top({PARAMETERS}) #0 {{\n{_call(top.number)}  ret void\n}}"
        text = "\n".join([*sorted(shared.declared), *parts, entry, attributes(target), ""])
        return cls(top, block, least, shared.tables, text, _count(plans, top))


def _count(plans: dict[int, Plan], top: Plan) -> int:
    """Return how many cells a sample takes, those of a module at each of its uses."""
    counts: dict[int, int] = {}
    for key, plan in plans.items():
        units = [unit for part in plan.chunks for unit in part.units]
        inside = (plan.module.instances[CALL - unit].module for unit in units if unit < 0)
        counts[key] = sum(unit >= 0 for unit in units) + sum(counts[id(m)] for m in inside)
    return counts[id(top.module)]


def below(module: Module) -> list[Module]:
    """Return a module and all that it uses, each once, users last."""
    result: list[Module] = []
    seen: set[int] = set()
    stack = [(module, False)]
    while stack:
        current, ready = stack.pop()
        if ready:
            result.append(current)
        elif id(current) not in seen:
            seen.add(id(current))
            stack.append((current, True))
            stack.extend((i.module, False) for i in current.instances)
    return result


def _shape(modules: list[Module], target: Target) -> tuple[int, int]:
    """Return the narrowest lane and the samples in a block.

    A block fills one vector register with the narrowest lane that many cells travel in.
    """
    counts = dict.fromkeys(WIDTHS, 0)
    for module in modules:
        for lane, count in share(module, 1).items():
            counts[lane] += count
    total = max(sum(counts.values()), 1)
    least = 8 if counts[8] >= NARROW * total else 16
    counts[16] += counts[8] if least > 8 else 0
    frequent = next(w for w in WIDTHS if (w >= least and 4 * counts[w] >= total) or w == 64)
    return least, max(target.vector_bits // frequent, 8)


def attributes(target: Target) -> str:
    """Return the attributes of all functions: let LLVM use vectors of full length."""
    bits = target.vector_bits
    widths = f'"min-legal-vector-width"="{bits}" "prefer-vector-width"="{bits}"'
    return f"attributes #0 = {{ nounwind {widths} }}"


def _call(number: int) -> str:
    return f"  call void @m{number}(ptr %in, ptr %out, ptr %frame, ptr %tab)\n"


def _module_text(plan: Plan, shared: Shared) -> str:
    texts, calls = [], []
    for position, part in enumerate(plan.chunks):
        writer = Writer(plan, shared)
        _write_chunk(writer, part, last=position + 1 == len(plan.chunks))
        name = f"@m{plan.number}_{position}"
        texts.append(_function(name, _rooms(writer, plan.block) + "\n".join(writer.lines)))
        calls.append(f"  call void {name}(ptr %in, ptr %out, ptr %frame, ptr %tab)")
    return "\n".join([*texts, _function(f"@m{plan.number}", "\n".join(calls))])


def _function(name: str, body: str) -> str:
    return f"define internal void {name}({PARAMETERS}) noinline #0 {{\n{body}\n  ret void\n}}"


def _rooms(writer: Writer, block: int) -> str:
    """Return the buffers through which a function reads tables."""
    if not writer.reads:
        return ""
    room = f"alloca [{8 * block} x i8], align {ALIGN}\n"
    return f"  %index = {room}  %word = {room}"


def _write_chunk(writer: Writer, part: Chunk, last: bool) -> None:
    for unit in part.units:
        if unit < 0:
            _write_call(writer, CALL - unit)
            continue
        writer.values[unit] = RULES[Kind(writer.module.kind[unit])](writer, unit)
        if unit in part.live:
            writer.keep(unit)
    _write_outputs(writer, part, last)


def _write_call(writer: Writer, number: int) -> None:
    """Feed an instance and call its module."""
    plan, instance = writer.plan, writer.module.instances[number]
    child = plan.children[id(instance.module)]
    feeds = iter(instance.inputs)
    base = plan.feeds[number]
    for port in child.inputs:
        for element, inner in enumerate(port.signals):
            value = writer.get(next(feeds), port.lane, instance.module.frac[inner])
            writer.store(value, "%frame", base + port.offset + element * port.stride, port.lane)
    places = [(base, "%frame"), (plan.results[number], "%frame"), (plan.frame, "%frame")]
    arguments = ", ".join(f"ptr {writer.address(root, offset)}" for offset, root in places)
    writer.lines.append(f"  call void @m{child.number}({arguments}, ptr %tab)")


def _write_outputs(writer: Writer, part: Chunk, last: bool) -> None:
    """Store the outputs that this function makes; the last one also those that nobody makes."""
    module, lanes = writer.module, writer.lanes
    units = set(part.units)
    for port in writer.plan.outputs:
        for element, s in enumerate(port.signals):
            root = lanes.root[s]
            kind = module.kind[root]
            unit = CALL - (module.imm[root] >> 32) if kind == Kind.INSTANCE else root
            if unit in units or (last and kind in (Kind.INPUT, Kind.CONST)):
                value = writer.get(s, port.lane, module.frac[s])
                writer.store(value, "%out", port.offset + element * port.stride, port.lane)
