"""Small random networks on images: padding, windows, kernels shared by positions, residual sums."""

from __future__ import annotations

import numpy as np

from gatewright.base import GatewrightError
from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import (
    Add,
    Affine,
    Dense,
    Function,
    GroupedDense,
    Multiply,
    Pad,
    Quantize,
    ReduceMax,
    Relu,
    Reshape,
    Sum,
    Windows,
)

WIDEST = 12
"""Bits past which a value is quantized before a layer reads it."""


class Images:
    """A graph on images under construction."""

    def __init__(self, seed: int, largest: int = 7) -> None:
        self.rng = np.random.default_rng(seed)
        shape = (self.some(4, largest), self.some(4, largest), self.some(1, 3))
        kind = self.kind(shape)
        self.input = Input("x", shape, kind)
        self.nodes: list[Node] = []
        self.types: dict[str, Intervals] = {"x": kind}
        self.layer = ""
        self.part = ""
        self.dense: dict[tuple[int, int], Op] = {}

    def some(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def kind(self, shape: tuple[int, ...]) -> Intervals:
        """Draw a type: a format for all, one for each channel, or some elements constant."""
        width, frac = self.some(1, 5), self.some(-1, 4)
        signed = self.chance(0.6)
        lo, hi = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
        low, high = np.full(shape, lo), np.full(shape, hi)
        point = np.full(shape, frac)
        style = self.some(0, 3)
        if style == 1:
            still = self.rng.random(shape) < 0.1
            value = self.rng.integers(lo, hi + 1, shape)
            low, high = np.where(still, value, low), np.where(still, value, high)
        elif style == 2:
            point = point + self.rng.integers(0, 2, shape[-1:])
        elif style == 3:
            dead = self.rng.random(shape[-1]) < 0.3
            low, high = np.where(dead, 0, low), np.where(dead, 0, high)
        return Intervals.of(low, high, point)

    def emit(self, op: Op, *names: str) -> str:
        kind = op.infer(*(self.types[n] for n in names))
        name = f"n{len(self.nodes)}"
        self.nodes.append(Node(name, op, names, self.layer, part=self.part))
        self.types[name] = kind
        return name

    def narrow(self, name: str, most: int = WIDEST) -> str:
        if int(self.types[name].width.max(initial=0)) <= most and self.chance(0.6):
            return name
        kind = self.types[name]
        shape = self.of([(), kind.shape[-1:], kind.shape] if self.chance(0.3) else [()])
        width = self.rng.integers(2, min(most, 6) + 1, shape)
        frac = int(np.median(kind.frac)) - max(int(np.median(kind.width)) - 5, 0)
        over = self.of([Overflow.SAT, Overflow.SAT, Overflow.WRAP])
        point = frac + self.rng.integers(-1, 2, shape)
        signed = self.chance(0.7)
        return self.emit(Quantize.to(signed, width, point, self.of(list(Rounding)), over), name)

    def of(self, things):
        return things[self.some(0, len(things) - 1)]

    def matrix(self, *shape: int) -> np.ndarray:
        q = self.rng.integers(-7, 8, shape) * (self.rng.random(shape) < 0.8)
        return q / 2.0 ** self.some(0, 3)

    def matrix_of(self, n_in: int, n_out: int) -> Op:
        """Return a matrix; one of this shape that is there already is used again, often."""
        if (n_in, n_out) not in self.dense or self.chance(0.4):
            bias = self.matrix(n_out) if self.chance(0.6) else None
            self.dense[n_in, n_out] = Dense.of(self.matrix(n_in, n_out), bias)
        return self.dense[n_in, n_out]

    # ---- layers

    def padded(self, x: str, kernel: tuple[int, int]) -> str:
        if self.chance(0.3):
            return x
        before = tuple(self.some(0, k - 1) for k in kernel)
        after = tuple(k - 1 - b if self.chance(0.7) else self.some(0, k) for k, b in
                      zip(kernel, before, strict=True))  # fmt: skip
        value = 0.0 if self.chance(0.8) else self.some(-3, 3) / 2
        return self.emit(Pad((*before, 0), (*after, 0), value), x)

    def window(self, x: str) -> str:
        kernel = (self.some(1, 3), self.some(1, 3))
        strides = (self.some(1, 2), self.some(1, 2))
        dilation = (self.some(1, 2), 1) if self.chance(0.2) else (1, 1)
        x = self.padded(x, kernel)
        shape = self.types[x].shape
        kernel = tuple(min(k, n) for k, n in zip(kernel, shape, strict=False))
        if any((k - 1) * d >= n for k, d, n in zip(kernel, dilation, shape, strict=False)):
            dilation = (1, 1)
        return self.emit(Windows.of(kernel, strides, dilation), x)

    def convolution(self, x: str) -> str:
        x = self.window(self.narrow(x))
        return self.emit(self.matrix_of(self.types[x].shape[-1], self.some(1, 3)), x)

    def depthwise(self, x: str) -> str:
        x = self.narrow(x)
        channels = self.types[x].shape[-1]
        x = self.window(x)
        shape = self.types[x].shape
        x = self.emit(Reshape((*shape[:2], shape[2] // channels, channels)), x)
        if self.chance(0.5):
            return self.emit(ReduceMax((2,)), x)
        if self.chance(0.3):
            return self.emit(Sum((2,)), x)
        parts = self.some(1, 2)
        y = self.emit(Reshape((*shape[:2], channels, shape[2] // channels)), x)
        op = GroupedDense.of(self.matrix(channels, shape[2] // channels, parts))
        y = self.emit(op, y)
        return self.emit(Reshape((*shape[:2], channels * parts)), y)

    def residual(self, x: str) -> str:
        """Add a 1 x 1 convolution to what it reads."""
        x = self.narrow(x)
        channels = self.types[x].shape[-1]
        y = self.narrow(self.emit(self.matrix_of(channels, channels), x))
        return self.emit(self.of([Add(), Add(), Multiply()]), y, x)

    def elementwise(self, x: str) -> str:
        channels = self.types[x].shape[-1]
        x = self.narrow(x)
        ops = [Relu(), Relu(high=1.5), Affine(self.matrix(channels), self.matrix(channels))]
        if int(self.types[x].width.max(initial=0)) <= 7:
            fmt = Quantize.to_format(Fixed.parse("fixed<5,2>"), Rounding.RND, Overflow.SAT)
            ops += [Function("tanh", fmt), Function("exp", fmt)]
        return self.emit(self.of(ops), x)

    def repeated(self, x: str) -> str:
        """Apply one matrix several times, each a part of a layer."""
        x = self.narrow(x)
        channels = self.types[x].shape[-1]
        op = self.matrix_of(channels, channels)
        fmt = Quantize.to_format(Fixed.parse("fixed<5,3>"), Rounding.RND, Overflow.SAT)
        for step in range(self.some(2, 3)):
            self.part = f"step {step}"
            x = self.emit(fmt, self.emit(op, x))
        self.part = ""
        return x

    def graph(self, layers: int) -> Graph:
        x = "x"
        steps = [self.convolution, self.convolution, self.depthwise, self.residual,
                 self.elementwise, self.repeated]  # fmt: skip
        for number in range(layers):
            if not self.layer or self.chance(0.75):
                self.layer = f"layer {number}"
            x = self.of(steps)(x)
        if self.chance(0.3):
            self.layer = "last"
            x = self.narrow(self.emit(Reshape((-1,)), x), 6)
            x = self.emit(self.matrix_of(self.types[x].shape[-1], self.some(1, 3)), x)
        outputs = [Output("y", x)]
        if self.chance(0.2):
            outputs.append(Output("z", self.nodes[self.some(0, len(self.nodes) - 1)].name))
        return Graph("images", (self.input,), tuple(self.nodes), tuple(outputs), source="a.onnx")


def random_images(seed: int, largest: int = 7) -> Graph:
    """Return a network on images; the same for the same seed."""
    for attempt in range(50):
        try:
            images = Images(seed + 1_000_003 * attempt, largest)
            return images.graph(images.some(1, 4))
        except GatewrightError:
            continue  # numbers too wide
    raise AssertionError("no network in 50 attempts")
