"""Memories: one array of packed words each, a wire for each word that is read, a write port.

A memory has as many words as its depth, or where an address may reach past them a power of two,
filled up with zeros that nothing overwrites: so no logic stands behind what is read, and a register
there is taken into the block.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.base import identifier
from gatewright.emit.cells import truth
from gatewright.emit.header import safe
from gatewright.emit.nets import literal, vector
from gatewright.emit.ports import concatenation
from gatewright.emit.scope import Scope
from gatewright.emit.tables import fill, index_of
from gatewright.hw import Memory
from gatewright.hw.memory import FIELD_BITS
from gatewright.num import Ints


@dataclass
class Memories:
    """The memories that a module reads.

    Attributes:
        scope: the module under the pen.
        name: identifier of each, by number.
        size: words in the text.
        word: net of each word that is read, by memory and row of the address.
    """

    scope: Scope
    name: dict[int, str] = field(default_factory=dict)
    size: dict[int, int] = field(default_factory=dict)
    word: dict[tuple[int, int], int] = field(default_factory=dict)

    def declare(self) -> None:
        """Declare the memories that live rows read."""
        m = self.scope.module
        for number in self.scope.buses.memories:
            memory = m.memories[number]
            wanted = identifier(f"ram_{memory.name}")
            name = self.scope.design.tables.name("ram_memory" if wanted == "ram" else wanted)
            reach = max(m.reach(a) for n, a in self.scope.buses.words if n == number)
            size = memory.depth
            if reach > size or size == 1:
                size = 1 << max((size - 1).bit_length(), 1)
            self.name[number], self.size[number] = name, size
            self.scope.lines += _declaration(memory, name, size)

    def index(self, number: int, address: int) -> str:
        """Return an address as an index of the memory's array."""
        return index_of(self.scope.nets, address, _address_bits(self.size[number]))

    def row(self, s: int) -> None:
        """Write a READ row: the word at its address once, and the row's own wire if it has one."""
        scope, m = self.scope, self.scope.module
        number, column = divmod(m.imm[s], 1 << FIELD_BITS)
        memory, key = m.memories[number], (number, m.a[s])
        if key not in self.word:
            self.word[key] = self._word(number, m.a[s])
            scope.buses.vector[-2 - number, str(m.a[s])] = self.word[key]
        width = scope.nets.width[s]
        if not (scope.buses.needed[s] and width):
            return
        if scope.nets.name[s] is None:
            scope.nets.name[s] = scope.namer.name(f"t{s}")
        have, signed = int(memory.widths[column]), bool(memory.fields.signed[column])
        text = scope.nets.field(self.word[key], _offset(memory.widths, column), have, signed, width)
        own = scope.nets.name[s]
        scope.lines.append(f"  wire {vector(width, scope.nets.signed[s])}{own} = {text};")

    def _word(self, number: int, address: int) -> int:
        """Write the wire of a word; return its net."""
        scope, memory = self.scope, self.scope.module.memories[number]
        text = f"{self.name[number]}[{self.index(number, address)}]"
        bits, own = _address_bits(self.size[number]), scope.nets.width[address]
        if scope.module.reach(address) > 1 << bits:
            beyond = scope.nets.part(address, bits, own - bits)
            text = f"(|{beyond}) ? {memory.bits}'d0 : {text}"
        name = scope.namer.name(f"word_of_{self.name[number]}")
        scope.lines.append(f"  wire {vector(memory.bits)}{name} = {text};")
        return scope.vector(name, memory.bits)

    def write_ports(self) -> None:
        """Write the clocked block of each memory."""
        for number in self.name:
            self.scope.clock_pins.add("clk")
            self.scope.lines += ["", "  always @(posedge clk) begin", *self._store(number), "  end"]

    def _store(self, number: int) -> list[str]:
        """Return the assignment of a word, where it is enabled and the address is there."""
        scope, m = self.scope, self.scope.module
        memory, nets = m.memories[number], self.scope.nets
        conditions = []
        if memory.init is not None:
            # Registers hold anything before reset: they must not spoil what is there at power-up.
            scope.clock_pins.add("rst")
            conditions.append("!rst")
        if not (nets.is_constant(memory.enable) and nets.value[nets.root[memory.enable]]):
            conditions.append(truth(nets, memory.enable))
        if m.reach(memory.address) > memory.depth:
            own = nets.width[memory.address]
            code = f"{{{nets.part(memory.address, 0, own)}}}"  # braces: unsigned
            conditions.append(f"{code} < {literal(memory.depth, own)}")
        parts = scope.buses.parts(scope.buses.write_feeds(number))
        margin = "      " if conditions else "    "
        target = f"{self.name[number]}[{self.index(number, memory.address)}]"
        lines = concatenation(f"{margin}{target} <= ", parts, ";")
        if not conditions:
            return lines
        return [f"    if ({' && '.join(conditions)}) begin", *lines, "    end"]


def _declaration(memory: Memory, name: str, size: int) -> list[str]:
    """Return the comment, the array and what fills it."""
    kind = "" if memory.style == "auto" else f'(* ram_style = "{memory.style}" *) '
    lines = [
        f"  // memory {safe(memory.name)}: {memory.depth} words of {memory.fields.size} fields, "
        f"{memory.bits} bits",
        f"  {kind}reg {vector(memory.bits)}{name} [0:{size - 1}];",
    ]
    if memory.init is not None and memory.init.any():
        lines += fill(name, memory.bits, packed(memory), size)
    elif memory.init is not None or size > memory.depth:
        lines += zeros(name, memory.bits, 0 if memory.init is not None else memory.depth, size)
    return [*lines, ""] if lines[-1] else lines


def zeros(name: str, bits: int, first: int, size: int) -> list[str]:
    """Return what clears the words of a memory from one on at power-up."""
    return [
        f"  initial begin : fill_{name}",
        f"    integer {name}_i;",
        f"    for ({name}_i = {first}; {name}_i < {size}; {name}_i = {name}_i + 1) "
        f"{name}[{name}_i] = {bits}'d0;",
        "  end",
        "",
    ]


def packed(memory: Memory) -> list[int]:
    """Return the words at power-up as the text packs them: field 0 lowest."""
    assert memory.init is not None
    codes = [0] * memory.depth
    at = 0
    for column, width in enumerate(memory.widths.tolist()):
        mask = (1 << width) - 1
        q = memory.init[:, column].tolist()
        codes = [code | (v & mask) << at for code, v in zip(codes, q, strict=True)]
        at += width
    return codes


def _offset(widths: Ints, column: int) -> int:
    return int(widths[:column].sum())


def _address_bits(size: int) -> int:
    return max((size - 1).bit_length(), 1)
