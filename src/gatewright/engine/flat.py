"""A circuit as one list of rows: instances are put in the place of their outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.hw import NONE, Kind, Module
from gatewright.hw.bulk import values
from gatewright.num import Ints

MOVE = 32
"""Kind of a row that takes the number of another onto its own grid: a port of an instance."""

COLUMNS = ("kind", "a", "b", "c", "imm", "lo", "hi", "frac")
FIELD_BITS, OUTPUT_BITS = 20, 32


@dataclass(eq=False)
class Flat:
    """Rows of a circuit and of all that it uses.

    Attributes:
        columns: (rows, 8), as those of a module; operands are rows, in any order. The `imm` of a
            TABLE is the row of `tables`.
        tables: (fields of tables, 2): where its words begin in `words`, and how many there are.
        words: of all tables.
        outputs: rows of the top's outputs, port after port.
    """

    columns: Ints
    tables: Ints
    words: Ints
    outputs: Ints

    @classmethod
    def of(cls, module: Module) -> Flat:
        """Put a circuit without state into one list."""
        work = _Work()
        start = work.place(module, None)
        tables = np.asarray(work.tables, np.int64).reshape(-1, 2)
        words = np.concatenate([np.zeros(1, np.int64), *work.words])
        outputs = np.asarray(module.output_signals, np.int64) + start
        return cls(np.concatenate(work.parts), tables, words, outputs)


@dataclass
class _Work:
    parts: list[Ints] = field(default_factory=list)
    tables: list[tuple[int, int]] = field(default_factory=list)
    words: list[Ints] = field(default_factory=list)
    rows: int = 0
    length: int = 1
    first_fields: dict[int, list[int]] = field(default_factory=dict)

    def place(self, module: Module, feeds: Ints | None) -> int:
        """Append a module's rows, fed by some, and those of its instances; return the first."""
        start = self.rows
        columns = np.stack([values(getattr(module, name)) for name in COLUMNS], axis=1)
        kind, operands = columns[:, 0], columns[:, 1:4]
        operands[operands != NONE] += start
        if feeds is not None:
            inputs = kind == Kind.INPUT
            columns[inputs, 1] = feeds[columns[inputs, 4]]
            kind[inputs] = MOVE
        self._tables(module, columns)
        self.parts.append(columns)
        self.rows += len(columns)
        number, index = columns[:, 4] >> OUTPUT_BITS, columns[:, 4] & ((1 << OUTPUT_BITS) - 1)
        own = np.flatnonzero(kind == Kind.INSTANCE)
        for i, instance in enumerate(module.instances):
            outer = instance.feeds + start
            firsts = np.asarray([self.place(instance.module, row) for row in outer], np.int64)
            outputs = np.asarray(instance.module.output_signals, np.int64)
            rows = own[number[own] == i]
            copy, which = np.divmod(index[rows], len(outputs))
            columns[rows, 1] = firsts[copy] + outputs[which]
        kind[own] = MOVE
        return start

    def _tables(self, module: Module, columns: Ints) -> None:
        """Number the fields of a module's tables through, and let its rows name them so."""
        rows = np.flatnonzero(columns[:, 0] == Kind.TABLE)
        if not len(rows):
            return
        if id(module) not in self.first_fields:
            self.first_fields[id(module)] = []
            for table in module.tables:
                self.first_fields[id(module)].append(len(self.tables))
                for words in table.words.T:
                    self.tables.append((self.length, len(words)))
                    self.words.append(words)
                    self.length += len(words)
        first = np.asarray(self.first_fields[id(module)], np.int64)
        table, column = np.divmod(columns[rows, 4], 1 << FIELD_BITS)
        columns[rows, 4] = first[table] + column
