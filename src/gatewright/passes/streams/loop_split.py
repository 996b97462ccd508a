"""A recurrent cell cut into what must be in its loop, what is ahead of it and what is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatewright.hw import Bus, Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals, dyadic
from gatewright.passes.streams.cell import Bundle, Cell, Recurrence
from gatewright.streams import Stream, Streams


@dataclass(frozen=True, eq=False)
class Split:
    """A cell cut into three circuits.

    Attributes:
        taken: what enters the loop at each step: rows, or what is computed ahead of it.
        ahead: whether anything is computed ahead.
        given: what leaves the loop: the results, or what they are computed of.
        behind: whether anything is computed behind.
    """

    taken: tuple[str, ...]
    ahead: bool
    given: tuple[str, ...]
    behind: bool

    @classmethod
    def of(cls, cell: Cell) -> Split:
        """Cut a cell."""
        late = cell.behind((*cell.states, *cell.held))
        early = {node.name for node in cell.nodes} - late | set(cell.rows)
        loop = cell.ahead(cell.following)
        last = cell.ahead(cell.results) - loop - early
        behind = any(not node.op.wiring for node in cell.nodes if node.name in last)
        readers = [node for node in cell.nodes if node.name not in early]
        ahead = any(
            not node.op.wiring
            for node in cell.nodes
            if node.name in early & cell.ahead((*cell.following, *cell.results))
        )
        if behind:
            read = [name for node in cell.nodes if node.name in last for name in node.inputs]
            given = _once(name for name in (*read, *cell.results) if name not in last)
        else:
            given = cell.results
        wanted = _once(
            name
            for name in (*(n for node in readers for n in node.inputs), *cell.following, *given)
            if name in early
        )
        return cls(wanted if ahead else cell.rows, ahead, given, behind)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def shape_of(what: Recurrence, bundle: Bundle) -> tuple[int, ...]:
    """Return the shape of a tensor that has a beat for each row of the result."""
    return (what.steps, bundle.size) if what.each else (bundle.size,)


def ahead(
    to: Streams,
    what: Recurrence,
    names: Sequence[str],
    rows: Sequence[tuple[Bundle, Stream]],
) -> tuple[Bundle, Stream]:
    """Compute values that need no state, those of a row in each cycle."""
    bundle = Bundle.of(names, what.types)

    def build(m: Module, beats: list[list[int]], phase: int) -> list[list[int]]:
        known: dict[str, Bus] = {}
        for (own, _), signals in zip(rows, beats, strict=True):
            known |= own.unpack(m, signals)
        return [bundle.pack(what.cell.lower(m, known, names))]

    shapes = [(what.steps, bundle.size)]
    (found,) = to.kernel([s for _, s in rows], shapes, build, note="inputs of all steps")
    return bundle, found


def behind(to: Streams, what: Recurrence, split: Split, x: Stream) -> Stream:
    """Compute what no state needs."""
    bundle = Bundle.of(split.given, what.types)
    results = Bundle.of(what.cell.results, what.types)

    def build(m: Module, beats: list[list[int]], phase: int) -> list[list[int]]:
        values = what.cell.lower(m, bundle.unpack(m, beats[0]), what.cell.results)
        return [results.pack(values)]

    (found,) = to.kernel([x], [shape_of(what, results)], build, note="results of steps")
    return found


def initial(what: Recurrence) -> list[int | None]:
    """Return of each element of the states the constant before the first step; None: it is none."""
    found: list[int | None] = []
    for name, value in zip(what.cell.states, what.initial, strict=True):
        kind = what.types[name]
        found += [None] * kind.size if value is None else _grid(value, kind)
    return found


def _grid(values: Reals, kind: Intervals) -> list[int | None]:
    """Return constants as integers on a type's grid."""
    q, frac = dyadic(values)
    return [int(v) for v in FixedArray(q, frac).fit(kind).q.ravel()]


def numbered(stem: str, count: int) -> list[str]:
    """Return names of ports: STEM, STEM2, and so on."""
    return [f"{stem}{i + 1}" if i else stem for i in range(count)]
