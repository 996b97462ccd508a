"""A circuit without state as LLVM text: a row of functions for each module, in several pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gatewright.base import UnsupportedError
from gatewright.engine.cells import RULES
from gatewright.engine.lanes import WIDTHS, Lanes, share
from gatewright.engine.layout import Plan
from gatewright.engine.lookup import reader_text
from gatewright.engine.runs import ARGUMENTS, PARAMETERS, mover_text, write_copies, write_run
from gatewright.engine.schedule import Chunk, Run
from gatewright.engine.target import Target
from gatewright.engine.text import ALIGN
from gatewright.engine.writer import Shared, Writer
from gatewright.hw import Kind, Module

CHUNK = 200
"""Cells in one function. With 300, LLVM keeps more values alive at a time, and code is slower."""

PIECE = 6000
"""Cells that LLVM gets at a time: what it needs in memory for a cell is freed after each piece."""

NARROW = 0.85
"""Share of cells that must fit 8 bits for 8-bit lanes, whose shifts and products are slow.

Measured: docs/rationale/circuits-engine.md.
"""

Compile = Callable[[str], bytes]


@dataclass
class Pieces:
    """Hand LLVM text to a compiler, some thousand cells at a time."""

    compile: Compile
    target: Target
    codes: list[bytes] = field(default_factory=list)
    _functions: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _declared: set[str] = field(default_factory=set)
    _weight: int = 0

    def add(self, name: str, lines: Iterable[str], declared: set[str], weight: int) -> None:
        """Add a function of the circuit, `@name`; `declared` is what it calls."""
        head = f"define hidden void {name}({PARAMETERS}) #0 {{"
        self.add_text(name, "\n".join([head, *lines, "  ret void\n}"]), declared, weight)

    def add_text(self, name: str, text: str, declared: set[str], weight: int) -> None:
        """Add any function."""
        self._functions.append(text)
        self._names.add(name)
        self._declared |= declared
        self._weight += weight
        if self._weight >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Compile what has come together."""
        if not self._functions:
            return
        foreign = [text for text in sorted(self._declared) if _name(text) not in self._names]
        text = "\n".join([*foreign, *self._functions, attributes(self.target), ""])
        self.codes.append(self.compile(text))
        self._functions, self._names, self._declared, self._weight = [], set(), set(), 0


def _name(declaration: str) -> str:
    """Return the function that a declaration declares."""
    return "@" + declaration.split("@", 1)[1].split("(", 1)[0]


@dataclass(frozen=True, eq=False)
class Program:
    """A circuit planned and compiled.

    Attributes:
        top: plan of the module itself.
        block: samples computed at once.
        least: bits of the narrowest lane.
        tables: what the code reads besides the samples.
        codes: object files; `top` is the entry.
        cells: cells that are computed for a sample.
    """

    top: Plan
    block: int
    least: int
    tables: bytes
    codes: list[bytes]
    cells: int

    @classmethod
    def of(
        cls, module: Module, target: Target, compile: Compile, chunk: int | None = None
    ) -> Program:
        """Plan, write and compile a circuit, its functions of about `chunk` cells each.

        Raises:
            UnsupportedError: it holds registers or memories.
        """
        if module.is_sequential:
            raise UnsupportedError(
                "the emulator runs circuits without registers and memories",
                place=module.origin or module.name,
                found=f"module {module.name} holds {_state_of(module)}",
                supported="circuits before pipelining, fully parallel",
                remedy="emulate the circuit as it was before registers were placed, or simulate it",
            )
        modules = below(module)
        least, block = _shape(modules, target)
        plans: dict[int, Plan] = {}
        shared, pieces = Shared(target), Pieces(compile, target)
        for number, current in enumerate(modules):
            plan = Plan.of(number, Lanes.of(current, least), block, chunk or CHUNK, plans)
            plans[id(current)] = plan
            _write_module(plan, shared, pieces)
        top = plans[id(module)]
        call = f"@m{top.number}"
        entry = (
            f"define void @top({PARAMETERS}) #0 {{\n  call void {call}({ARGUMENTS})\n  ret void\n}}"
        )
        pieces.add_text("@top", entry, {f"declare void {call}(ptr, ptr, ptr, ptr)"}, 1)
        for wide, lane in sorted(shared.lookups):
            pieces.add_text(f"@look_{wide}_{lane}", reader_text(wide, lane, block), set(), 1)
        for kind in sorted(shared.moves):
            text = mover_text(kind, block)
            pieces.add_text(_name(text), text, set(), 1)
        pieces.flush()
        tables, cells = bytes(shared.tables.data), _count(plans, top)
        return cls(top, block, least, tables, pieces.codes, cells)


def _state_of(module: Module) -> str:
    """Name what a module holds that the emulator does not run."""
    found = below(module)
    memories = any(m.memories for m in found)
    registers = any(m.holds(Kind.REG) for m in found)
    return " and ".join(["registers"] * registers + ["memories"] * memories)


def _count(plans: dict[int, Plan], top: Plan) -> int:
    """Return how many cells a sample takes, those of a module at each of its uses."""
    counts: dict[int, int] = {}
    for key, plan in plans.items():
        counts[key] = 0
        for part in plan.parts:
            if isinstance(part, Run):
                uses = [plan.module.instances[number] for number in part.instances]
                counts[key] += sum(use.count for use in uses) * counts[id(uses[0].module)]
            else:
                counts[key] += len(part.units)
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
            uses = {id(i.module): i.module for i in current.instances}
            stack.extend((used, False) for used in uses.values())
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


def _write_module(plan: Plan, shared: Shared, pieces: Pieces) -> None:
    """Write a module's functions, and the one that calls them in turn."""
    names: list[str] = []
    stores = _output_stores(plan)
    for position, part in enumerate(plan.parts):
        name = f"@m{plan.number}_{position}"
        if isinstance(part, Run):
            lines, declared = write_run(plan, shared, position)
            pieces.add(name, lines, declared, 1)
        else:
            _write_chunk(plan, shared, pieces, name, part, stores)
        names.append(name)
    lines, declared = write_copies(plan, shared)
    if lines:
        names.append(f"@m{plan.number}_copies")
        pieces.add(names[-1], lines, declared, 1)
    calls = [f"  call void {name}({ARGUMENTS})" for name in names]
    declared = {f"declare void {name}(ptr, ptr, ptr, ptr)" for name in names}
    pieces.add(f"@m{plan.number}", calls, declared, len(names))


def _output_stores(plan: Plan) -> dict[int, list[tuple[int, int, int]]]:
    """Return for each signal the outputs that it is: signal, lane, place in the outputs."""
    stores: dict[int, list[tuple[int, int, int]]] = {}
    signals = (s for port in plan.outputs for s in port.signals)
    for s, (port, to) in zip(signals, plan.output_places, strict=True):
        stores.setdefault(plan.lanes.root[s], []).append((s, port.lane, to))
    return stores


def _write_chunk(
    plan: Plan,
    shared: Shared,
    pieces: Pieces,
    name: str,
    part: Chunk,
    stores: dict[int, list[tuple[int, int, int]]],
) -> None:
    """Write a function that computes cells."""
    writer = Writer.of(plan, shared)
    for unit in part.units:
        writer.values[unit] = RULES[Kind(plan.module.kind[unit])](writer, unit)
        if unit in part.live:
            writer.keep(unit)
        for s, lane, to in stores.get(unit, ()):
            writer.store(writer.get(s, lane, plan.module.frac[s]), "%out", to, lane)
    lines = [*_rooms(writer), *writer.lines]
    pieces.add(name, lines, writer.declared, len(part.units))


def _rooms(writer: Writer) -> list[str]:
    """Return the buffers through which a function reads tables."""
    if not writer.reads:
        return []
    room = f"alloca [{8 * writer.block} x i8], align {ALIGN}"
    return [f"  %index = {room}", f"  %word = {room}"]
