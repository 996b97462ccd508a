"""Nodes and leaves of a forest in memories that a bus writes, also while a design runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.mac_store import asked_format, require_narrow, style_of
from gatewright.blocks.tree_walk.shape import Ensemble, WalkShape, lane_words, linked_words
from gatewright.blocks.tree_walk.store import Asked, columns, starts_of
from gatewright.blocks.tree_walk.sums import Bounds, bounds
from gatewright.hw import Module
from gatewright.num import Fixed, Intervals, Ints
from gatewright.streams.registers import BITS, UNREADABLE, Bank, RegisterPort, Registers, next_base

BASE_BITS = 3
"""Bits of a quantized base score behind the last one of the leaves: they cost nothing, as no other
number has them."""


@dataclass(frozen=True)
class ForestFormats:
    """Formats of a forest that can be written.

    Attributes:
        cut: of thresholds, in units of each feature's own grid.
        leaf: of leaves.
        base: of the base score.
    """

    cut: Fixed
    leaf: Fixed
    base: Fixed

    @classmethod
    def of(
        cls, ensemble: Ensemble, kind: Intervals, weight_bits: int, bias_bits: int
    ) -> ForestFormats:
        """Return formats that hold what the model has, and every threshold that can be asked for.

        Args:
            ensemble: the model's.
            kind: types of the features.
            weight_bits: of a leaf, sign included; 0: as many as the model's need.
            bias_bits: likewise of the base score. Its last bit is that of quantized models, as far
                as the bits reach: the model's own base may end sooner, by chance.

        Raises:
            OptionError: the model's do not fit the bits, or a number does not fit a word of the
                bus.
        """
        cut = Fixed.holding(min(int(kind.lo.min()), 0), int(kind.hi.max()) + 1, 0)
        leaf, base = (
            Fixed.holding(min(int(v.min()), -1), max(int(v.max()), 0), frac)
            for v, frac in ((ensemble.words, ensemble.frac), (ensemble.base, ensemble.base_frac))
        )
        leaf = asked_format("leaves", leaf, weight_bits) if weight_bits else leaf
        more = max(leaf.frac + BASE_BITS - base.frac, 0)
        more = min(more, max((bias_bits or BITS) - base.width, 0))
        base = Fixed(True, base.width + more, base.frac + more)
        base = asked_format("base scores", base, bias_bits) if bias_bits else base
        for name, fmt in (("thresholds", cut), ("leaves", leaf), ("base scores", base)):
            require_narrow(name, fmt)
        return cls(cut, leaf, base)


@dataclass(frozen=True, eq=False)
class ForestRegisters(Registers):
    """The nodes and leaves of a forest that can be written.

    Attributes:
        shape: of the engine.
        formats: of thresholds, leaves and base score.
        kind: types of the features.
        asked: what nodes can ask of a sample.
    """

    shape: WalkShape
    formats: ForestFormats
    kind: Intervals
    asked: Asked

    def contents(self, ensemble: Ensemble) -> list[Ints]:
        """Return the words of each bank, of a forest on the grid of leaves and base score."""
        kept = columns(self.asked.can_miss, self.shape.linked)
        own, found = iter(self.banks), list[Ints]()
        for words in lane_words(ensemble, self.shape, self.asked.features, 0):
            found += _parts(words.nodes[:, kept], own)
            found += _parts(words.leaves, own)
        return [*found, *_parts(starts_of(ensemble, self.shape), own)]

    def load(self, ensemble: Ensemble) -> Ints:
        """Return the writes, (writes, 2) addresses and data, that bring in another forest.

        Args:
            ensemble: for samples of `kind`.

        Raises:
            ModelError: it has more trees, levels or nodes than there is room for, or a number that
                is not one of the format's.
        """
        self._check_shape(ensemble)
        words = self._moved("leaf", ensemble.words, ensemble.frac, self.formats.leaf)
        base = self._moved("base score", ensemble.base, ensemble.base_frac, self.formats.base)
        return self.writes(self.contents(replace(ensemble, words=words, base=base)))

    def _moved(self, name: str, values: Ints, frac: int, fmt: Fixed) -> Ints:
        """Return integers on the grid of a format."""
        grid = fmt.frac - frac
        q = values << grid if grid >= 0 else values >> -grid
        exact = (q << -grid) == values if grid < 0 else np.full(q.shape, True)
        bad = ~exact | (q < fmt.low) | (q > fmt.high)
        if bad.any():
            raise ModelError(
                f"a {name} is not a number of the format that the hardware holds",
                place=self.layer,
                found=f"{values[bad].flat[0] * 2.0**-frac}; {int(bad.sum())} such numbers",
                supported=f"multiples of 2**{-fmt.frac} from {fmt.low * 2.0**-fmt.frac} to "
                f"{fmt.high * 2.0**-fmt.frac}",
                remedy="quantize both forests with one format of leaves, or give the layer more "
                "`weight_bits` and `bias_bits` in its plan and build the design again",
            )
        return q

    def _check_shape(self, ensemble: Ensemble) -> None:
        """Refuse a forest that the engine has no room for."""
        found = self._excess(ensemble)
        if found:
            raise ModelError(
                "a forest does not fit the engine that was built",
                place=self.layer,
                found="; ".join(f"{own} {name}" for name, own, _ in found),
                supported="; ".join(f"{most} {name}" for name, _, most in found),
                remedy="train a forest of this size, or build the design again",
            )

    def _excess(self, ensemble: Ensemble) -> list[tuple[str, object, object]]:
        """Return what there is no room for: its name, what the forest has, what fits."""
        shape = self.shape
        outputs = shape.width * len(shape.slots)
        if len(ensemble.base) != outputs:
            return [("outputs", len(ensemble.base), outputs)]
        groups = [list(range(len(ensemble.trees)))] if len(shape.slots) == 1 else ensemble.groups
        if len(groups) != len(shape.slots):
            return [("outputs that a tree adds to", "several", 1)]
        found: list[tuple[str, object, object]] = []
        room = [slots * shape.lanes for slots in shape.slots]
        if any(len(group) > most for group, most in zip(groups, room, strict=True)):
            own = [len(group) for group in groups]
            found.append(
                ("trees of each output", *((own, room) if outputs > 1 else (own[0], room[0])))
            )
        if ensemble.levels > shape.levels:
            found.append(("levels", ensemble.levels, shape.levels))
        if not shape.linked or found:
            return found
        nodes, leaves = linked_words(ensemble, groups, shape.slots, shape.lanes)
        sizes = (
            ("nodes in a lane", nodes, shape.nodes),
            ("leaves in a lane", leaves, shape.leaves),
        )
        return [size for size in sizes if size[1] > size[2]]


class MemoryStore:
    """Nodes, leaves and base score in memories that the bus of a design writes."""

    def __init__(
        self, ensemble: Ensemble, shape: WalkShape, asked: Asked, kind: Intervals,
        formats: ForestFormats, layer: str, known: Sequence[Registers],
    ) -> None:  # fmt: skip
        self.formats = formats
        finer = formats.base.frac - ensemble.base_frac
        self.ensemble = replace(ensemble, base=ensemble.base << finer, base_frac=formats.base.frac)
        self.frac = max(formats.leaf.frac, formats.base.frac)
        self.asked, self.known, self.layer, self.kind = asked, known, layer, kind
        self.shape = roomy(shape)
        self.nodes = _node_types(self.shape, asked, formats)
        ones = np.full((shape.trees, shape.width), shape.lanes) << (self.frac - formats.leaf.frac)
        starts = np.full((len(shape.slots), shape.width), 1 << (self.frac - formats.base.frac))
        self.bounds: Bounds = bounds(
            ones * formats.leaf.low, ones * formats.leaf.high, shape.slots,
            (starts * formats.base.low, starts * formats.base.high),
        )  # fmt: skip

    def place(self, m: Module, memory: str) -> tuple[bool, bool]:
        """Build the memories; return whether nodes and leaves are slow to read."""
        shape, self.m = self.shape, m
        leaf = _whole(self.formats.leaf, shape.width)
        styles = [
            style_of(memory, words, int(fields.width.sum()))
            for words, fields in ((shape.nodes, self.nodes), (shape.leaves, leaf))
        ]
        kinds: list[str] = []
        banks: list[Bank] = []
        for lane in range(shape.lanes):
            for name, words, fields, style in zip(
                ("nodes", "leaves"), (shape.nodes, shape.leaves), (self.nodes, leaf), styles,
                strict=True,
            ):  # fmt: skip
                own = _banks(f"{name} of lane {lane}", words, fields, style)
                banks, kinds = [*banks, *own], [*kinds, *([style] * len(own))]
        own = _banks("base score", len(shape.slots), _whole(self.formats.base, shape.width), "auto")
        banks, kinds = [*banks, *own], [*kinds, *(["auto"] * len(own))]
        draft = Registers(self.layer, 0, tuple(banks))
        base = next_base(self.known, draft.words)
        self.registers = ForestRegisters(
            self.layer, base, draft.banks, shape, self.formats, self.kind, self.asked
        )
        port, self.numbers = RegisterPort(m, self.registers), dict[str, list[int]]()
        contents = self.registers.contents(self.ensemble)
        for number, (content, style) in enumerate(zip(contents, kinds, strict=True)):
            init = None if style == "ultra" else content
            stem = banks[number].name.partition(":")[0]
            self.numbers.setdefault(stem, []).extend(port.memories(number, init, style))
        port.close()
        slow = [style in ("block", "ultra") for style in styles]
        return slow[0], slow[1]

    def node(self, lane: int, address: int) -> list[int]:
        """Return the fields of a node."""
        return self._read(f"nodes of lane {lane}", address)

    def leaf(self, lane: int, address: int) -> list[int]:
        """Return the numbers of a leaf."""
        return self._read(f"leaves of lane {lane}", address)

    def start(self, group: int) -> list[int]:
        """Return what the sums of a group begin with."""
        return self._read("base score", group)

    def _read(self, name: str, address: int) -> list[int]:
        return [s for number in self.numbers[name] for s in self.m.read_word(number, address)]


def roomy(shape: WalkShape) -> WalkShape:
    """Return an engine with room for as many nodes and leaves as its pointers can name."""
    if not shape.linked:
        return shape
    return replace(shape, nodes=1 << shape.index_bits, leaves=1 << shape.index_bits)


def _whole(fmt: Fixed, count: int) -> Intervals:
    """Return some fields of a format."""
    return Intervals.of([fmt.low] * count, [fmt.high] * count, fmt.frac)


def _node_types(shape: WalkShape, asked: Asked, formats: ForestFormats) -> Intervals:
    """Return the fields of a node, each the whole range of its format."""
    number = Fixed(False, max((len(asked.features) - 1).bit_length(), 1), 0)
    child = Fixed(False, shape.index_bits + 1, 0)
    gone = [Fixed(False, 1, 0)] * asked.can_miss
    fields = [number, formats.cut, *gone, *([child] * 2 if shape.linked else [])]
    return Intervals.of([f.low for f in fields], [f.high for f in fields], 0)


def _banks(name: str, depth: int, fields: Intervals, style: str) -> list[Bank]:
    """Put fields into as few words of the bus as hold them, in order."""
    widths = fields.width.tolist()
    starts, bits = [0], 0
    for i, width in enumerate(widths):
        if bits + width > BITS:
            starts.append(i)
            bits = 0
        bits += width
    ends = [*starts[1:], len(widths)]
    readable = style not in UNREADABLE
    return [
        Bank(
            name if len(starts) == 1 else f"{name}: fields {a} to {b - 1}", depth,
            Intervals(fields.lo[a:b], fields.hi[a:b], fields.frac[a:b]), readable,
        )
        for a, b in zip(starts, ends, strict=True)
    ]  # fmt: skip


def _parts(words: Ints, banks: Iterator[Bank]) -> list[Ints]:
    """Return the fields that each of the next banks has, of wide words."""
    found, at = list[Ints](), 0
    while at < words.shape[1]:
        size = int(next(banks).fields.size)
        found.append(words[:, at : at + size])
        at += size
    return found
