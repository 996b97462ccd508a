"""Small random models over all operations that compose, with random formats and plans."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import GatewrightError
from gatewright.ir import Graph, Input, Node, Op, Output, Plan
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import (
    FUNCTIONS,
    OPERATIONS,
    Add,
    Affine,
    Argmax,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Function,
    Gather,
    LeakyRelu,
    Maximum,
    Minimum,
    Multiply,
    Quantize,
    Relu,
    Requantize,
    Reshape,
    ScaledQuantize,
    Slice,
    Softmax,
    SoftmaxFormats,
    Subtract,
    Transpose,
)

WIDEST = 16
"""Bits past which a value is quantized before it is used again."""
TABLE_BITS = 8
"""Bits past which no function is taken by table."""
MOST_ELEMENTS, MOST_CASE_ELEMENTS = 24, 48


@dataclass
class Builder:
    """A graph under construction."""

    rng: np.random.Generator
    inputs: list[Input] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, Intervals] = field(default_factory=dict)

    def some(self, low: int, high: int) -> int:
        """Draw from low..high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def of(self, things):
        return things[self.some(0, len(things) - 1)]

    # ---- values

    def kind(self, shape: tuple[int, ...]) -> Intervals:
        """Draw a type: one format, or ranges of each element's own, some of them constant."""
        if self.chance(0.4):
            width, signed, frac = self.some(1, 6), self.chance(0.7), self.some(-2, 5)
            half = 1 << (width - 1)
            ends = (-half, half - 1) if signed else (0, 2 * half - 1)
            return Intervals.of(np.full(shape, ends[0]), np.full(shape, ends[1]), frac)
        span = 2 ** self.rng.integers(0, 6, shape)
        lo = -self.rng.integers(0, span) * self.rng.integers(0, 2, shape)
        return Intervals.of(lo, lo + self.rng.integers(0, span), self.rng.integers(-2, 5, shape))

    def new_input(self) -> None:
        shape = self.of([(3,), (5,), (2, 3), (4, 2), (1,), (2, 2, 2)])
        i = Input(f"x{len(self.inputs)}", shape, self.kind(shape))
        self.inputs.append(i)
        self.types[i.name] = i.type

    def pick(self) -> str:
        """Draw a value, a late one rather than an early one."""
        names = [name for name, kind in self.types.items() if kind.shape]
        return names[max(self.some(0, len(names) - 1) for _ in range(2))]

    def narrow(self, name: str, bits: int = WIDEST) -> str:
        """Return a value, quantized where it is too wide."""
        if int(self.types[name].width.max(initial=0)) <= bits:
            return name
        return self.node(self.quantizer(self.types[name], min(bits, 7)), name)

    def node(self, op: Op, *names: str) -> str:
        """Add an operation; every other one belongs to the layer of the one before."""
        name = f"n{len(self.nodes)}"
        kind = op.infer(*(self.types[n] for n in names))
        layer = (
            self.nodes[-1].layer if self.nodes and self.chance(0.4) else f"layer {len(self.nodes)}"
        )
        self.nodes.append(Node(name, op, names, layer))
        self.types[name] = kind
        return name

    # ---- operations

    def quantizer(self, kind: Intervals, most: int = 7) -> Quantize:
        """Draw formats near a type, of every element or one for all."""
        shape = kind.shape if self.chance(0.5) else ()
        width = self.rng.integers(2, most + 1, shape)
        middle = int(np.median(kind.frac)) - max(int(np.median(kind.width)) - most, 0)
        frac = middle + self.rng.integers(-2, 2, shape)
        signed = self.rng.random(shape) < 0.8
        over = self.of([Overflow.SAT, Overflow.SAT, *Overflow])
        return Quantize.to(signed, width, frac, self.of(list(Rounding)), over)

    def dyadic(self, shape, bits: int = 4) -> np.ndarray:
        q = self.rng.integers(-(2**bits), 2**bits + 1, shape)
        live = self.rng.random(shape) < 0.75
        return q * live / 2.0 ** self.rng.integers(0, 4, np.shape(q)[-1:])

    def quantize(self) -> None:
        name = self.pick()
        self.node(self.quantizer(self.types[name]), name)

    def dense(self) -> None:
        name = self.narrow(self.pick())
        n_in, n_out = self.types[name].shape[-1], self.some(1, 5)
        self.node(Dense.of(self.dyadic((n_in, n_out)), self.dyadic((n_out,))), name)

    def unary(self) -> None:
        name = self.narrow(self.pick())
        last = self.types[name].shape[-1:]
        ops = [
            Relu(), Relu(high=float(self.some(1, 9)) / 4), Clip(-1.25, 2.5), Clip(None, 0.75),
            LeakyRelu(np.asarray(self.some(-3, 7) / 8)), LeakyRelu(self.dyadic(last, 3)),
            Affine(self.dyadic(last, 3), self.dyadic(last, 3)),
        ]  # fmt: skip
        self.node(self.of(ops), name)

    def function(self) -> None:
        name = self.narrow(self.pick(), TABLE_BITS)
        self.node(Function(self.of(list(FUNCTIONS)), self.quantizer(self.types[name])), name)

    def requantize(self) -> None:
        name = self.narrow(self.pick(), 12)
        kind = self.types[name]
        frac = int(kind.frac.max())
        lo, hi = (v.ravel() for v in kind.aligned(frac))
        channels = self.of([1, kind.shape[-1]])
        levels = self.some(1, 9)
        thresholds = np.sort(
            self.rng.integers(lo.min() - 2, hi.max() + 3, (channels, levels)), axis=1
        )
        falling = self.rng.random(channels) < 0.3
        self.node(Requantize(thresholds, falling, self.some(-3, 2), self.some(1, 2), frac), name)

    def binary(self) -> None:
        a = self.narrow(self.pick(), 10)
        fits = [n for n in self.types if _broadcasts(self.types[a].shape, self.types[n].shape)]
        b = self.narrow(self.of(fits), 10)
        if self.chance(0.2):
            b = self.node(Constant(self.dyadic(self.types[b].shape, 3)), a)
        self.node(self.of([Add(), Add(), Subtract(), Multiply(), Maximum(), Minimum()]), a, b)

    def concatenate(self) -> None:
        a = self.pick()
        shape = self.types[a].shape
        axis = self.some(0, len(shape) - 1)
        rest = shape[:axis] + shape[axis + 1 :]
        fits = [
            n for n, t in self.types.items()
            if len(t.shape) == len(shape) and t.shape[:axis] + t.shape[axis + 1 :] == rest
        ]  # fmt: skip
        self.node(Concatenate(self.of([axis, axis - len(shape)])), a, self.of(fits))

    def move(self) -> None:
        name = self.pick()
        shape = self.types[name].shape
        parts = tuple((None, None, self.of([1, -1])) for _ in shape[:-1])
        start = self.some(0, shape[-1] - 1)
        ops = [
            Reshape((-1,)),
            Transpose(tuple(int(i) for i in self.rng.permutation(len(shape)))),
            Slice((*parts, (start, None, None))),
            Slice((*parts, (None, None, -1))),
        ]
        if self.types[name].size % 2 == 0:
            ops.append(Reshape((2, -1)))
        self.node(self.of(ops), name)

    def case(self, op: type[Op]) -> None:
        """Add a conformance case of an operation, fed with what there is."""
        cases = importlib.import_module(f"tests.ops.cases.{op.__module__.split('.')[-1]}").CASES
        case = self.of([c for c in cases if sum(t.size for t in c.inputs) <= MOST_CASE_ELEMENTS])
        self.node(case.op, *(self.within(kind) for kind in case.inputs))

    def within(self, kind: Intervals) -> str:
        """Return a value of a type's shape and no wider than it, made of some other value."""
        source = self.pick()
        flat = self.node(Reshape((-1,)), source)
        size = self.types[flat].size
        value = self.node(Gather.of(self.rng.integers(0, size, kind.shape)), flat)
        value = self.node(Quantize.to(kind.signed, kind.width, kind.frac), value)
        for op, limit in ((Maximum(), kind.low_value), (Minimum(), kind.high_value)):
            found = self.types[value]
            if (found.low_value < kind.low_value).any() or (found.high_value > limit).any():
                value = self.node(op, value, self.node(Constant(np.asarray(limit)), value))
        return value

    def finish(self) -> str:
        """Add what ends a classifier."""
        name = self.narrow(self.pick(), 9)
        n = self.types[name].shape[-1]
        if self.chance(0.5):
            return self.node(Argmax(), name)
        return self.node(Softmax(SoftmaxFormats.for_output(self.some(3, 7), n)), name)


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(a, b))) <= MOST_ELEMENTS
    except ValueError:
        return False


STEPS = ["quantize", "dense", "dense", "unary", "unary", "function", "requantize", "binary",
         "binary", "concatenate", "move", "move"]  # fmt: skip

OWN = (
    Add, Affine, Argmax, Clip, Concatenate, Constant, Dense, Function, Gather, LeakyRelu, Maximum,
    Minimum, Multiply, Quantize, Relu, Requantize, Reshape, ScaledQuantize, Slice, Softmax,
    Subtract, Transpose,
)  # fmt: skip
"""Operations that the steps draw, or that have no circuit; the others come by their cases."""

BY_CASE = tuple(op for op in OPERATIONS if op not in OWN)


@dataclass(frozen=True, eq=False)
class Sample:
    """A model and how to build it."""

    seed: int
    graph: Graph
    plans: dict[str, Plan]
    period: float


def random_sample(seed: int) -> Sample:
    """Return the model of a seed; two thirds are parallel, the rest fold some dense layers."""
    b = Builder(np.random.default_rng([seed, 20240]))
    for _ in range(b.some(1, 2)):
        b.new_input()
    wanted = b.some(3, 9)
    if seed % 2:  # every other model begins with two operations by their cases
        for offset in (0, len(BY_CASE) // 2):
            b.case(BY_CASE[(seed // 2 + offset) % len(BY_CASE)])
        wanted += len(b.nodes)
    for _ in range(60):
        if len(b.nodes) >= wanted:
            break
        kept = len(b.nodes), dict(b.types)
        try:
            getattr(b, b.of(STEPS))()
            new = [t.size for name, t in b.types.items() if name not in kept[1]]
            too_large = max(new, default=0) > MOST_ELEMENTS
        except GatewrightError:
            too_large = True
        if too_large:
            del b.nodes[kept[0] :]
            b.types = kept[1]
    ends = [b.finish()] if b.chance(0.3) else [list(b.types)[-1]]
    ends += [b.pick() for _ in range(b.some(0, 2))]
    outputs = tuple(Output(f"y{k}", v) for k, v in enumerate(dict.fromkeys(ends)))
    graph = Graph(f"g{seed}", tuple(b.inputs), tuple(b.nodes), outputs, source=f"seed {seed}")
    plans = {}
    if b.chance(0.35):
        for node in graph.nodes:
            if isinstance(node.op, Dense) and node.op.weight.size > 1 and b.chance(0.8):
                plans[node.name] = Plan(b.some(2, node.op.weight.size))
    return Sample(seed, graph, plans, b.of([2.5, 3.3, 5.0, 12.0]))
