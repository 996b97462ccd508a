"""Read-only memories: small ones as a function with a `case`, large ones as a memory.

All fields that a module reads of one table are one memory of wide words. Where an index can reach
past the table's end, a memory has a power of two of words: what lies there reads as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from gatewright.base import identifier
from gatewright.emit.decisions import Decided, decision_text, decisions
from gatewright.emit.folded import MOST_INDEX, Folded
from gatewright.emit.header import safe
from gatewright.emit.nets import Nets, literal, vector
from gatewright.emit.scope import Scope
from gatewright.hw import Kind, Module, Table
from gatewright.hw.bulk import values

TABLE, CONCAT = int(Kind.TABLE), int(Kind.CONCAT)
COLUMNS = 96
"""Characters of a line of words, its indent aside."""

CASE_WORDS = 64
"""Tables with more words than this are memories."""


STYLES = {"block": '(* rom_style = "block" *) ', "distributed": '(* syn_romstyle = "logic" *) '}
"""Attributes that ask for a style. Of ROMs in LUTs, Yosys knows none that are "distributed"."""


@dataclass(frozen=True)
class Rom:
    """A table as one module uses it.

    Attributes:
        name: identifier of the function or memory.
        depth: words that an index can reach.
        offset: lowest bit of each field that is read, by column.
        width: bits of each of those fields.
        signed: whether a field's top bit is a sign.
        codes: the packed words.
        style: what holds it.
        size: words of the memory in the text, 0 for a power of two that no index leaves.
        padded: width of a word with zeros below and above its field; 0 where there are none.
        flipped: whether the words stand at the complements of their indices.
    """

    name: str
    depth: int
    offset: dict[int, int]
    width: dict[int, int]
    signed: dict[int, bool]
    codes: list[int]
    style: str = "auto"
    size: int = 0
    padded: int = 0
    flipped: bool = False

    @property
    def bits(self) -> int:
        """Width of a word."""
        return self.padded or sum(self.width.values())

    def pad(self, bits: int) -> Rom:
        """Return the table of one field with a zero below and zeros above, `bits` in all."""
        assert list(self.offset.values()) == [0], "a table of several fields is not padded"
        codes = [code << 1 for code in self.codes]
        return replace(self, offset=dict.fromkeys(self.offset, 1), codes=codes, padded=bits)

    def flip(self) -> Rom:
        """Return the table addressed by the complement of its index.

        Yosys takes a register in front of a memory's address for the memory's own, moves it
        behind the words and so apart from the adder that was to take the table in. An inverter
        in between, which costs nothing in LUTs, leaves it where it is.
        """
        codes = [*self.codes, *[0] * ((1 << self.address) - self.depth)][::-1]
        return replace(self, depth=len(codes), codes=codes, size=0, flipped=True)

    @property
    def address(self) -> int:
        """Bits of the memory's address."""
        return max((self.depth - 1).bit_length(), 1)

    @property
    def is_memory(self) -> bool:
        """Whether it is written as a memory and not as a function."""
        return self.depth > CASE_WORDS or self.style == "block"


def make_rom(table: Table, name: str, columns: list[int], reach: int) -> Rom:
    """Pack the columns that are read, as far as an index of `reach` bits goes."""
    words = table.words[: 1 << min(reach, 40)]
    offset, width, signed, at = {}, {}, {}, 0
    codes = [0] * len(words)
    for column in columns:
        q = words[:, column]
        signed[column] = bool(q.min() < 0)
        top = max(int(q.max()), -int(q.min()) - 1, 0)
        width[column] = top.bit_length() + signed[column]
        offset[column] = at
        mask = (1 << width[column]) - 1
        codes = [c | (v & mask) << at for c, v in zip(codes, q.tolist(), strict=True)]
        at += width[column]
    return Rom(name, len(words), offset, width, signed, codes, table.style)


def rom_lines(rom: Rom, table: Table, comment: str) -> list[str]:
    """Return the declaration of a function or memory."""
    runs = [
        (kind, len(list(run))) for kind, run in groupby(_format(rom, table, c) for c in rom.offset)
    ]
    fields = ", ".join(kind if n == 1 else f"{n} x {kind}" for kind, n in runs)
    order = ", the last first" if rom.flipped else ""
    lines = [f"  // table {comment}: {rom.depth} words of {fields}{order}"]
    return lines + (_memory(rom) if rom.is_memory else _function(rom))


def _format(rom: Rom, table: Table, column: int) -> str:
    width = rom.width[column]
    sign = "" if rom.signed[column] else "u"
    return f"{sign}fixed<{width},{width - int(table.frac[column])}>"


def _function(rom: Rom) -> list[str]:
    """Return a function; words that are zero are its default."""
    size, name, bits = rom.address, rom.name, rom.bits
    signed = len(rom.signed) == 1 and next(iter(rom.signed.values()))
    lines = [
        f"  function {vector(bits, signed)}{name};",
        f"    input {vector(size)}index;",
        "    case (index)",
    ]
    lines += [
        f"      {size}'d{i}: {name} = {_word(code, bits, signed)};"
        for i, code in enumerate(rom.codes)
        if code
    ]
    return [*lines, f"      default: {name} = {bits}'d0;", "    endcase", "  endfunction", ""]


def _memory(rom: Rom) -> list[str]:
    style = STYLES.get(rom.style, "")
    size = max(rom.size or 1 << rom.address, 2)
    return [
        f"  {style}reg {vector(rom.bits)}{rom.name} [0:{size - 1}];",
        *fill(rom.name, rom.bits, rom.codes, size),
    ]


def fill(name: str, bits: int, codes: Sequence[int], size: int) -> list[str]:
    """Return what fills a memory at power-up: with words, then with zeros up to its size."""
    lines = [f"  initial begin : fill_{name}"]
    if len(codes) < size:
        lines.append(f"    integer {name}_i;")
        lines.append(
            f"    for ({name}_i = {len(codes)}; {name}_i < {size}; {name}_i = {name}_i + 1) "
            f"{name}[{name}_i] = {bits}'d0;"
        )
    words = [f"{name}[{i}] = {bits}'h{code:x};" for i, code in enumerate(codes)]
    each = max(COLUMNS // (max(map(len, words)) + 1), 1)  # side by side: tables are long
    lines += [f"    {' '.join(words[i : i + each])}" for i in range(0, len(words), each)]
    return [*lines, "  end", ""]


def _word(code: int, bits: int, signed: bool) -> str:
    """Return a word: a decimal number where it is one field, else hexadecimal."""
    if bits > 32:
        return f"{bits}'h{code:x}"
    return literal(code - (1 << bits) if signed and code >> (bits - 1) else code, bits)


def index_of(nets: Nets, index: int, size: int, braced: bool = True) -> str:
    """Return the low `size` bits of the code of a net, with zeros above it.

    Icarus takes a signed index of a memory as a number, below zero out of range: `braced` makes
    it unsigned.
    """
    own = nets.width[index]
    if 0 < own < size:  # a code is unsigned, also that of a signed net
        return f"{{{size - own}'d0, {nets.part(index, 0, own)}}}"
    at = nets.part(index, 0, size)
    return f"{{{at}}}" if braced and nets.signed[index] and own == size else at


def read(rom: Rom, nets: Nets, index: int) -> str:
    """Return the expression that reads a word at the code of a net."""
    size, own = rom.address, nets.width[index]
    at = index_of(nets, index, size, braced=rom.is_memory)
    at = f"~{at}" if rom.flipped else at
    word = f"{rom.name}[{at}]" if rom.is_memory else f"{rom.name}({at})"
    if own <= size:
        return word
    beyond = nets.part(index, size, own - size)
    return f"(|{beyond}) ? {rom.bits}'d0 : {word}"


def index_bits(m: Module, nets: Nets, index: int) -> list[str]:
    """Return the bits of a net, the highest first; of joined bits those that were joined."""
    if (
        m.kind[index] == CONCAT
        and nets.width[index] == nets.width[m.a[index]] + nets.width[m.b[index]]
    ):
        return [*index_bits(m, nets, m.a[index]), *index_bits(m, nets, m.b[index])]
    return [nets.part(index, i, 1) for i in reversed(range(nets.width[index]))]


@dataclass
class Tables:
    """The tables that a module reads.

    Attributes:
        scope: the module under the pen.
        roms: what is declared, by the table's number.
        words: net of each word read, by table and index net.
        decided: tables that are written as decisions, by number.
        folded: the sums that take a table in.
    """

    scope: Scope
    roms: dict[int, Rom] = field(default_factory=dict)
    words: dict[tuple[int, int], int] = field(default_factory=dict)
    decided: dict[int, Decided] = field(default_factory=dict)
    folded: Folded = field(init=False)

    def __post_init__(self) -> None:
        self.folded = Folded.of(self.scope)

    def declare(self) -> None:
        """Declare the tables that live rows read, with the fields that they read."""
        m, nets, live = self.scope.module, self.scope.nets, self.scope.live
        used: dict[int, set[int]] = {}
        reach: dict[int, int] = {}
        words: dict[int, int] = {}
        for s in np.flatnonzero(values(m.kind) == TABLE).tolist():
            if live[s] and nets.width[s]:
                number, column = divmod(m.imm[s], 1 << 20)
                used.setdefault(number, set()).add(column)
                reach[number] = max(reach.get(number, 0), nets.width[m.a[s]])
                words[number] = max(words.get(number, 0), m.reach(m.a[s]))
        for number in sorted(used):
            table = m.tables[number]
            if m.as_built and table.words.shape[1] == 1:
                found = decisions(table.words[:, 0])
                if found is not None:
                    self.decided[number] = found
                    continue
            wanted = identifier(f"rom_{table.name}")
            name = self.scope.design.tables.name("rom_table" if wanted == "rom" else wanted)
            rom = make_rom(table, name, sorted(used[number]), reach[number])
            if words[number] <= rom.depth:
                rom = replace(rom, size=rom.depth)
            if number in self.folded.bits:
                rom = rom.pad(self.folded.bits[number])
            if self.folded.wants_border and rom.style == "auto" and rom.address <= MOST_INDEX:
                rom = rom.flip()
            self.roms[number] = rom
            if rom.bits:
                self.scope.lines += rom_lines(rom, table, safe(table.name))

    def row(self, s: int) -> str:
        """Return the expression of a TABLE row; each word is read once per index."""
        m, nets = self.scope.module, self.scope.nets
        number, column = divmod(m.imm[s], 1 << 20)
        if number in self.decided:
            return self._decisions(self.decided[number], s)
        rom, width, index = self.roms[number], nets.width[s], m.a[s]
        have = rom.width[column]
        if not have:
            return literal(0, width)
        if rom.bits == have == width:
            return read(rom, nets, index)
        word = self._word(number, rom, index)
        return nets.field(word, rom.offset[column], have, rom.signed[column], width)

    def _decisions(self, tree: Decided, s: int) -> str:
        """Return a row as choices by the bits of its index."""
        m, nets = self.scope.module, self.scope.nets
        bits = index_bits(m, nets, m.a[s])
        text = decision_text(tree, bits, lambda q: literal(q, nets.width[s]), "    ")
        return f"\n    {text}" if "\n" in text else text

    def sum_text(self, s: int) -> tuple[str, str]:
        """Return the expression of a sum that takes a table in, and what it means."""
        m, table = self.scope.module, self.folded.table[s]
        number = m.imm[table] >> 20
        word = self._word(number, self.roms[number], m.a[table])
        return self.folded.write(self.scope, s, word)

    def _word(self, number: int, rom: Rom, index: int) -> int:
        """Return the net of a table's word at an index."""
        key = (number, self.scope.nets.root[index])
        if key not in self.words:
            text = read(rom, self.scope.nets, index)
            name = self.scope.namer.name(f"word_of_{rom.name}")
            self.scope.lines.append(f"  wire {vector(rom.bits)}{name} = {text};")
            self.words[key] = self.scope.vector(name, rom.bits)
        return self.words[key]
