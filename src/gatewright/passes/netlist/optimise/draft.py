"""A module while a rewrite edits it: rows in any order, changed in place, written out at the end.

A rewrite changes what a row is, appends rows, or sends the readers of a row to another. `finish`
follows the outputs, so that what nothing reads any more is gone, and shares equal rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.hw import NONE, Instance, Kind, Module
from gatewright.hw.bulk import as_column
from gatewright.hw.ranges import Range

CONST, INPUT, SHIFT, WRAP = int(Kind.CONST), int(Kind.INPUT), int(Kind.SHIFT), int(Kind.WRAP)
ADD, MUL = int(Kind.ADD), int(Kind.MUL)
REG, INSTANCE = int(Kind.REG), int(Kind.INSTANCE)
READ_AS_CODE = frozenset((int(Kind.CONCAT), int(Kind.TABLE)))
"""Cells whose result depends on how wide an operand is."""

MISSING = -2
"""In place of the number of a row that is not written yet."""


class Draft:
    """A copy of a module's columns that a rewrite may edit.

    Attributes:
        source: the module as it was; never changed.
        changed: whether anything was edited.
    """

    def __init__(self, source: Module) -> None:
        self.source = source
        self.kind, self.imm = list(source.kind), list(source.imm)
        self.a, self.b, self.c = list(source.a), list(source.b), list(source.c)
        self.lo, self.hi, self.frac = list(source.lo), list(source.hi), list(source.frac)
        assert not source.memories, f"module {source.name} holds memories and stays as it is"
        self.tables = list(source.tables)
        self.forward: dict[int, int] = {}
        self.changed = False

    def __len__(self) -> int:
        return len(self.kind)

    # ---- reading

    def at(self, s: int) -> int:
        """Return the row that stands for `s` now."""
        while s in self.forward:
            s = self.forward[s]
        return s

    def is_constant(self, s: int) -> bool:
        """Whether a row can only have one value."""
        return self.lo[s] == self.hi[s]

    def range(self, s: int) -> Range:
        """Return (lo, hi, frac) of a row."""
        return self.lo[s], self.hi[s], self.frac[s]

    def in_block(self, s: int) -> bool:
        """Whether a sum or a product is meant for a DSP block: what it reads stays as it is."""
        return self.kind[s] in (ADD, MUL) and self.imm[s] != 0

    def operands(self, s: int) -> Sequence[int]:
        """Return the rows that a cell reads; an instance's output reads all of its inputs."""
        if self.kind[s] == INSTANCE:
            return [self.at(o) for o in self.source.instances[self.imm[s] >> 32].inputs]
        return [self.at(o) for o in (self.a[s], self.b[s], self.c[s]) if o != NONE]

    def readers(self) -> list[int]:
        """Return how many operands, outputs and instance inputs read each row."""
        return reader_counts(self.source)

    # ---- editing

    def row(
        self, kind: Kind, rng: Range, a: int = NONE, b: int = NONE, c: int = NONE, imm: int = 0
    ) -> int:
        """Append a row and return it."""
        self.kind.append(int(kind))
        for column, value in (
            (self.a, a), (self.b, b), (self.c, c), (self.imm, imm),
            (self.lo, rng[0]), (self.hi, rng[1]), (self.frac, rng[2]),
        ):  # fmt: skip
            column.append(value)
        self.changed = True
        return len(self.kind) - 1

    def constant(self, q: int, frac: int) -> int:
        """Append the number `q * 2**-frac`, on that grid or the coarsest that holds it."""
        while q and not q & 1:
            q, frac = q >> 1, frac - 1
        return self.row(Kind.CONST, (q, q, frac if q else 0), imm=q)

    def become(
        self, s: int, kind: Kind, rng: Range, a: int = NONE, b: int = NONE, c: int = NONE,
        imm: int = 0,
    ) -> None:  # fmt: skip
        """Make row `s` another cell; whoever reads it reads that."""
        self.kind[s], self.a[s], self.b[s], self.c[s], self.imm[s] = int(kind), a, b, c, imm
        self.lo[s], self.hi[s], self.frac[s] = rng
        self.changed = True

    def redirect(self, s: int, to: int) -> None:
        """Send the readers of `s` to another row of the same value."""
        to = self.at(to)
        assert to != s, "a row would read itself"
        self.forward[s] = to
        self.changed = True

    # ---- writing

    def finish(self, children: dict[int, Module] | None = None) -> Module:
        """Return the edited module; with `children`, instances use what stands there for theirs."""
        return _Writer(self, children or {}).run()


def reader_counts(m: Module) -> list[int]:
    """Return how many operands, outputs and instance inputs read each row of a module."""
    count = [0] * (len(m) + 1)  # NONE counts in the last
    for column in (m.a, m.b, m.c):
        for o in column:
            count[o] += 1
    for o in m.output_signals:
        count[o] += 1
    for instance in m.instances:
        for o in instance.inputs:
            count[o] += 1
    count.pop()
    return count


class _Writer:
    """Write the rows that outputs need, operands first, equal rows once."""

    def __init__(self, draft: Draft, children: dict[int, Module]) -> None:
        self.draft, self.children = draft, children
        m = draft.source
        self.new = m.emptied()
        # Where each row is in the new module. NONE, the last, stays NONE.
        self.place = [MISSING] * len(draft) + [NONE]
        self.outputs_of: dict[int, list[int]] = {}
        if m.instances:
            for s, kind in enumerate(m.kind):
                if kind == INSTANCE:
                    self.outputs_of.setdefault(m.imm[s] >> 32, []).append(s)

    def run(self) -> Module:
        draft, new, m = self.draft, self.new, self.draft.source
        for port, signals in m.inputs.items():
            for s, fresh in zip(signals, new.input(port, m.intervals(signals)), strict=True):
                self.place[s] = fresh
        new.tables = list(draft.tables)
        operands = self._operands()
        for instance in m.instances:  # their outputs keep their numbers
            self._visit([draft.at(o) for o in instance.inputs], *operands)
            self._instance(instance)
        for port, signals in m.outputs.items():
            self._visit([draft.at(s) for s in signals], *operands)
            new.outputs[port] = [self._as_was(s) for s in signals]
        for s, name in m.names.items():
            fresh = self.place[draft.at(s)]
            if fresh != MISSING:
                new.label(fresh, name)
        return new

    def _operands(self) -> tuple[list[int], list[int], list[int]]:
        """Return the operands of all rows, where readers were sent to."""
        draft = self.draft
        if not draft.forward:
            return draft.a, draft.b, draft.c
        to = [*range(len(draft)), NONE]
        for s in draft.forward:
            to[s] = draft.at(s)
        return [to[o] for o in draft.a], [to[o] for o in draft.b], [to[o] for o in draft.c]

    def _visit(self, roots: list[int], of_a: list[int], of_b: list[int], of_c: list[int]) -> None:
        """Write rows, one after the other, with all that they need; without recursion."""
        draft, place, row = self.draft, self.place, self.new.row
        kind, imm, low, high, frac = draft.kind, draft.imm, draft.lo, draft.hi, draft.frac
        stack = roots[::-1]
        while stack:
            s = stack[-1]
            if place[s] != MISSING:
                stack.pop()
                continue
            lo, hi = low[s], high[s]
            if lo == hi:
                place[s] = row(CONST, (lo, hi, frac[s]), imm=lo)
                stack.pop()
                continue
            old = of_a[s], of_b[s], of_c[s]
            a, b, c = place[old[0]], place[old[1]], place[old[2]]
            if a == MISSING or b == MISSING or c == MISSING:
                stack += [o for o in reversed(old) if place[o] == MISSING]
                continue
            if kind[s] in READ_AS_CODE:
                a, b = self._coded(draft.a[s], a), self._coded(draft.b[s], b)
            place[s] = row(kind[s], (lo, hi, frac[s]), a, b, c, imm[s])
            stack.pop()

    def _coded(self, old: int, fresh: int) -> int:
        """Return an operand as wide as it was: some cells read its code and not its number."""
        if old == NONE:
            return NONE
        draft, new = self.draft, self.new
        lo, hi, frac = (draft if old >= len(draft.source) else draft.source).range(old)
        width = max(hi, -lo - 1).bit_length() + 1 if lo < 0 else hi.bit_length()
        if width == new.width(fresh):
            return fresh
        return new.row(Kind.WRAP, (lo, hi, frac), fresh, imm=2 * width + (lo < 0))

    def _instance(self, old: Instance) -> None:
        """Write an instance and its outputs."""
        draft, new, m = self.draft, self.new, self.draft.source
        number = len(new.instances)
        child = self.children.get(id(old.module), old.module)
        inputs = as_column([self.place[draft.at(o)] for o in old.inputs])
        new.instances.append(Instance(child, old.name, inputs, old.count))
        ranges = [child.range(s) for s in child.output_signals]
        for s in self.outputs_of.get(number, ()):
            index = m.imm[s] & 0xFFFFFFFF
            rng = ranges[index % len(ranges)]
            self.place[s] = new.row(Kind.INSTANCE, rng, imm=(number << 32) + index)

    def _as_was(self, s: int) -> int:
        """Return an output on its grid and in its range: whoever instances the module counts on it.

        A row that stands for it may have a wider range: that of a table whose least value is not 0.
        """
        new, old = self.new, self.draft.source
        found = self.place[self.draft.at(s)]
        up = old.frac[s] - new.frac[found]
        if new.lo[found] == new.hi[found] == 0:
            return found
        assert up >= 0, "an output lost bits"
        ends = new.lo[found] << up, new.hi[found] << up
        lo, hi = max(ends[0], old.lo[s]), min(ends[1], old.hi[s])
        if not up and ends == (lo, hi):
            return found
        if lo == hi:
            return new.row(Kind.CONST, (lo, hi, old.frac[s]), imm=lo)
        imm = 2 * old.width(s) + (old.lo[s] < 0)
        return new.row(Kind.WRAP, (lo, hi, old.frac[s]), found, imm=imm)
