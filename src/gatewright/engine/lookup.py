"""Tables: small ones are permutations in vector registers, others are read lane by lane."""

from __future__ import annotations

from gatewright.engine.lanes import WIDTHS, bits_of
from gatewright.engine.text import BIT
from gatewright.engine.writer import Writer

REGISTER = 512
"""Bits of the registers that we permute (x86 AVX-512)."""

PERMUTED = 8
"""Bits of an index up to which permuting is faster than reading lane by lane."""

SUFFIX = {8: "qi", 16: "hi"}
FEATURE = {8: "avx512vbmi", 16: "avx512bw"}


def table(w: Writer, s: int) -> str:
    """Write a table cell."""
    lane, width = w.lanes.lane[s], w.module.width(w.module.a[s])
    whole = w.block * lane % REGISTER == 0 and width <= min(PERMUTED, lane)
    if (
        whole
        and lane in FEATURE
        and w.shared.target.vector_bits == REGISTER
        and w.shared.target.has(FEATURE[lane])
    ):
        return _permuted(w, s, lane)
    return _read(w, s, lane)


def _permuted(w: Writer, s: int, lane: int) -> str:
    """Look all lanes of a register up at once; a table of several registers chooses among them."""
    m, index = w.module, w.module.a[s]
    count = REGISTER // lane
    kind = f"<{count} x i{lane}>"
    entries = max(1 << m.width(index), count)
    offset = w.shared.tables.place(m, s, lane, entries)
    words = [w.load_as(kind, "%tab", offset + i * REGISTER // 8) for i in range(entries // count)]
    code = w.code(index, lane)
    parts = [_part(w, code, lane, i, count) for i in range(w.block // count)]
    found = [_choose(w, words, part, lane, kind) for part in parts]
    length = count
    while len(found) > 1:
        found = [
            _joined(w, a, b, length, lane) for a, b in zip(found[::2], found[1::2], strict=True)
        ]
        length *= 2
    return found[0]


def _choose(w: Writer, words: list[str], index: str, lane: int, kind: str) -> str:
    """Return the words at the indices of one register, whose high bits choose among registers."""
    groups: list[tuple[str, ...]] = [(words[0], index)]
    name = f"@llvm.x86.avx512.permvar.{SUFFIX[lane]}.512"
    if len(words) > 1:
        name = f"@llvm.x86.avx512.vpermi2var.{SUFFIX[lane]}.512"
        groups = [(a, index, b) for a, b in zip(words[::2], words[1::2], strict=True)]
    w.declared.add(f"declare {kind} {name}({', '.join([kind] * len(groups[0]))})")
    found = [w.do(f"call {kind} {name}({', '.join(f'{kind} {x}' for x in g)})") for g in groups]
    count = REGISTER // lane
    bit = 2 * count
    mask = f"<{count} x i1>"
    while len(found) > 1:
        only = w.do(f"and {kind} {index}, {w.splat(bit, lane)}")
        high = w.do(f"icmp ne {kind} {only}, {w.splat(0, lane)}")
        found = [
            w.do(f"select {mask} {high}, {kind} {b}, {kind} {a}")
            for a, b in zip(found[::2], found[1::2], strict=True)
        ]
        bit *= 2
    return found[0]


def _part(w: Writer, value: str, lane: int, number: int, count: int) -> str:
    """Return one register's share of a vector."""
    if count == w.block:
        return value
    picks = ", ".join(f"i32 {number * count + i}" for i in range(count))
    kind = w.type(lane)
    return w.do(f"shufflevector {kind} {value}, {kind} poison, <{count} x i32> <{picks}>")


def _joined(w: Writer, a: str, b: str, length: int, lane: int) -> str:
    picks = ", ".join(f"i32 {i}" for i in range(2 * length))
    kind = f"<{length} x i{lane}>"
    return w.do(f"shufflevector {kind} {a}, {kind} {b}, <{2 * length} x i32> <{picks}>")


def _read(w: Writer, s: int, lane: int) -> str:
    """Have a function read the table for each lane."""
    m, index = w.module, w.module.a[s]
    codes, depth = 1 << m.width(index), w.shared.tables.depth(m, s)
    entries = codes if codes <= max(2 * depth, 64) else depth + 1
    offset = w.shared.tables.place(m, s, lane, entries)
    wide = next(x for x in WIDTHS if x >= max(m.width(index), bits_of(0, entries), 8))
    code = w.code(index, wide)
    if entries < codes:  # the last word is a zero
        last = w.splat(entries - 1, wide)
        small = w.do(f"icmp ult {w.type(wide)} {code}, {last}")
        code = w.do(f"select {w.type(BIT)} {small}, {w.type(wide)} {code}, {w.type(wide)} {last}")
    w.shared.lookups.add((wide, lane))
    w.reads = True
    w.store(code, "%index", 0, wide)
    words = w.address("%tab", offset)
    w.declared.add(f"declare void @look_{wide}_{lane}(ptr, ptr, ptr)")
    w.lines.append(f"  call void @look_{wide}_{lane}(ptr %index, ptr %word, ptr {words})")
    return w.load("%word", 0, lane)


def reader_text(wide: int, lane: int, block: int) -> str:
    """Write the function that reads a table for each lane of a block."""
    lines = []
    for i in range(block):
        lines += [
            f"  %a{i} = getelementptr i{wide}, ptr %index, i64 {i}",
            f"  %b{i} = load i{wide}, ptr %a{i}",
            f"  %c{i} = zext i{wide} %b{i} to i64" if wide < 64 else f"  %c{i} = add i64 %b{i}, 0",
            f"  %d{i} = getelementptr i{lane}, ptr %words, i64 %c{i}",
            f"  %e{i} = load i{lane}, ptr %d{i}",
            f"  %f{i} = getelementptr i{lane}, ptr %word, i64 {i}",
            f"  store i{lane} %e{i}, ptr %f{i}",
        ]
    body = "\n".join(lines)
    parameters = "ptr noalias %index, ptr noalias %word, ptr noalias %words"
    head = f"define hidden void @look_{wide}_{lane}({parameters}) #0"
    return f"{head} {{\n{body}\n  ret void\n}}"
