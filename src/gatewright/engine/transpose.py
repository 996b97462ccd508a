"""LLVM text that moves samples between rows in the user's arrays and lanes in memory.

A user's array holds a row of elements for each sample; the circuit wants a vector of samples for
each element. Tiles of 8 samples by up to 8 elements are turned in registers, by interleaving.
Inputs are checked against their ranges on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ROWS = 8

PARAMETERS = "ptr noalias %rows, i64 %pitch, ptr noalias %lanes, ptr %low, ptr %span, i64 %n"


@dataclass(frozen=True)
class Mover:
    """One kind of move.

    Attributes:
        into: whether from the user's rows into lanes, or back.
        bits, signed: integers in the user's array; on the way back how lanes extend.
        lane: bits of a lane.
        tile: elements in a tile (1, 2, 4 or 8).
        block: samples in a block.
    """

    into: bool
    bits: int
    signed: bool
    lane: int
    tile: int
    block: int

    @property
    def name(self) -> str:
        """Name of the function."""
        sign = "i" if self.signed else "u"
        way = "load" if self.into else "save"
        return f"{way}_{sign}{self.bits}_{self.lane}_{self.tile}_{self.block}"

    def text(self) -> str:
        """Return the function.

        `pitch` is the bytes from one row to the next, `low` and `span` hold the range of each
        element, `n` counts elements, at least `tile`. It returns whether an input was out of range.
        """
        return _Body(self).text()


def tile_for(elements: int) -> int:
    """Return the widest tile that a port fills."""
    return next(t for t in (8, 4, 2, 1) if t <= elements)


@dataclass
class _Body:
    m: Mover
    lines: list[str] = field(default_factory=list)

    def do(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def text(self) -> str:
        m = self.m
        acc = f"<{m.tile} x i{m.bits}>"
        bad = self._load_tiles() if m.into else self._save_tiles()
        body = "\n".join(self.lines)
        return f"""define i64 @{m.name}({PARAMETERS}) #0 {{
  %last = sub i64 %n, {m.tile}
  br label %loop
loop:
  %next = phi i64 [ 0, %0 ], [ %after, %loop ]
  %seen = phi {acc} [ zeroinitializer, %0 ], [ %bad, %loop ]
  %over = icmp ugt i64 %next, %last
  %e = select i1 %over, i64 %last, i64 %next
  %at = mul i64 %e, {m.bits // 8}
  %column = getelementptr i8, ptr %rows, i64 %at
  %el = mul i64 %e, {m.block * m.lane // 8}
  %vector = getelementptr i8, ptr %lanes, i64 %el
{body}
  %bad = or {acc} %seen, {bad}
  %after = add i64 %next, {m.tile}
  %more = icmp ult i64 %after, %n
  br i1 %more, label %loop, label %done
done:
  %any = call i{m.bits} @llvm.vector.reduce.or.v{m.tile}i{m.bits}({acc} %bad)
  %wrong = icmp ne i{m.bits} %any, 0
  %result = zext i1 %wrong to i64
  ret i64 %result
}}
declare i{m.bits} @llvm.vector.reduce.or.v{m.tile}i{m.bits}({acc})
"""

    def _load_tiles(self) -> str:
        m = self.m
        row = f"<{m.tile} x i{m.bits}>"
        offset = self.do("getelementptr i8, ptr %low, i64 %at")
        low = self.do(f"load {row}, ptr {offset}, align {m.bits // 8}")
        offset = self.do("getelementptr i8, ptr %span, i64 %at")
        span = self.do(f"load {row}, ptr {offset}, align {m.bits // 8}")
        bad = "zeroinitializer"
        for first in range(0, m.block, ROWS):
            tile = []
            for r in range(first, first + ROWS):
                value = self.do(f"load {row}, ptr {self._row(r)}, align {m.bits // 8}")
                above = self.do(f"sub {row} {value}, {low}")
                outside = self.do(f"icmp ugt {row} {above}, {span}")
                mask = self.do(f"sext <{m.tile} x i1> {outside} to {row}")
                bad = self.do(f"or {row} {bad}, {mask}")
                tile.append(self._resize(value, m.tile, m.bits, m.lane))
            turned = self._interleave(tile, m.tile, m.lane)
            for c in range(m.tile):
                column = self._part(turned, ROWS * m.tile, c * ROWS, ROWS, m.lane)
                place = self.do(f"getelementptr i8, ptr %vector, i64 {self._lane_offset(c, first)}")
                self._store(column, ROWS, m.lane, place)
        return bad

    def _save_tiles(self) -> str:
        m = self.m
        for first in range(0, m.block, ROWS):
            tile = []
            for c in range(m.tile):
                place = self.do(f"getelementptr i8, ptr %vector, i64 {self._lane_offset(c, first)}")
                tile.append(self.do(f"load <{ROWS} x i{m.lane}>, ptr {place}, align {m.lane // 8}"))
            turned = self._interleave(tile, ROWS, m.lane)
            for i in range(ROWS):
                row = self._part(turned, ROWS * m.tile, i * m.tile, m.tile, m.lane)
                value = self._resize(row, m.tile, m.lane, m.bits)
                self._store(value, m.tile, m.bits, self._row(first + i))
        return "zeroinitializer"

    def _store(self, value: str, count: int, bits: int, place: str) -> None:
        kind = f"<{count} x i{bits}>"
        self.lines.append(f"  store {kind} {value}, ptr {place}, align {bits // 8}")

    def _row(self, r: int) -> str:
        if not r:
            return "%column"
        offset = self.do(f"mul i64 %pitch, {r}")
        return self.do(f"getelementptr i8, ptr %column, i64 {offset}")

    def _lane_offset(self, c: int, first: int) -> int:
        return (c * self.m.block + first) * self.m.lane // 8

    def _resize(self, value: str, count: int, bits: int, to: int) -> str:
        if bits == to:
            return value
        how = "trunc" if to < bits else "sext" if self.m.signed else "zext"
        return self.do(f"{how} <{count} x i{bits}> {value} to <{count} x i{to}>")

    def _interleave(self, vectors: list[str], length: int, bits: int) -> str:
        """Return `out[k * n + i] = vectors[i][k]` for a power of two of `n` vectors."""
        while len(vectors) > 1:
            half = len(vectors) // 2
            mask = ", ".join(f"i32 {k + side * length}" for k in range(length) for side in (0, 1))
            kind = f"<{length} x i{bits}>"
            vectors = [
                self.do(f"shufflevector {kind} {a}, {kind} {b}, <{2 * length} x i32> <{mask}>")
                for a, b in zip(vectors[:half], vectors[half:], strict=True)
            ]
            length *= 2
        return vectors[0]

    def _part(self, value: str, total: int, start: int, count: int, bits: int) -> str:
        if count == total:
            return value
        mask = ", ".join(f"i32 {start + i}" for i in range(count))
        kind = f"<{total} x i{bits}>"
        return self.do(f"shufflevector {kind} {value}, {kind} poison, <{count} x i32> <{mask}>")


DRIVER = """
define i64 @drive(ptr %ins, i64 %nin, ptr %outs, i64 %nout, i64 %blocks,
                  ptr %code, ptr %in, ptr %out, ptr %frame, ptr %tab) {
  br label %block
block:
  %b = phi i64 [ 0, %0 ], [ %b1, %saved ]
  %end = icmp uge i64 %b, %blocks
  br i1 %end, label %finish, label %load
load:
  %i = phi i64 [ 0, %block ], [ %i1, %loading ]
  %bad = phi i64 [ 0, %block ], [ %bad1, %loading ]
  %loaded = icmp uge i64 %i, %nin
  br i1 %loaded, label %compute, label %loading
loading:
  %r = call i64 @move(ptr %ins, i64 %i, i64 %b)
  %bad1 = or i64 %bad, %r
  %i1 = add i64 %i, 1
  br label %load
compute:
  %stop = icmp ne i64 %bad, 0
  br i1 %stop, label %fail, label %run
run:
  call void %code(ptr %in, ptr %out, ptr %frame, ptr %tab)
  br label %save
save:
  %o = phi i64 [ 0, %run ], [ %o1, %saving ]
  %allsaved = icmp uge i64 %o, %nout
  br i1 %allsaved, label %saved, label %saving
saving:
  %q = call i64 @move(ptr %outs, i64 %o, i64 %b)
  %o1 = add i64 %o, 1
  br label %save
saved:
  %b1 = add i64 %b, 1
  br label %block
fail:
  ret i64 %b
finish:
  ret i64 -1
}

%port = type { ptr, i64, i64, ptr, ptr, ptr, i64, ptr }

define internal i64 @move(ptr %ports, i64 %i, i64 %b) {
  %p = getelementptr %port, ptr %ports, i64 %i
  %record = load %port, ptr %p
  %rows = extractvalue %port %record, 0
  %pitch = extractvalue %port %record, 1
  %jump = extractvalue %port %record, 2
  %lanes = extractvalue %port %record, 3
  %low = extractvalue %port %record, 4
  %span = extractvalue %port %record, 5
  %n = extractvalue %port %record, 6
  %mover = extractvalue %port %record, 7
  %skip = mul i64 %jump, %b
  %here = getelementptr i8, ptr %rows, i64 %skip
  %r = call i64 %mover(ptr %here, i64 %pitch, ptr %lanes, ptr %low, ptr %span, i64 %n)
  ret i64 %r
}
"""
"""Run blocks: move in, compute, move out. Return the first block with a bad input, or -1."""
