"""The graph that `streamline` builds: append nodes, with their types at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from gatewright.base import GatewrightError, UnsupportedError
from gatewright.ir import Graph, Node, Op
from gatewright.num import Intervals
from gatewright.ops import Affine, Clip, LeakyRelu, Relu
from gatewright.passes.graph.scaled import (
    Scaled,
    all_equal,
    exact,
    is_float,
    power_of_two,
    reals,
    short,
)


@dataclass
class Weaver:
    """Append operations on codes for one node of the old graph at a time.

    Attributes:
        types: of every value of the new graph.
        node: the node of the old graph that is being turned.
    """

    graph: Graph
    types: dict[str, Intervals]
    nodes: list[Node] = field(default_factory=list)
    node: Node | None = None

    def emit(self, op: Op, *inputs: str) -> str:
        """Append an operation and return its name."""
        assert self.node is not None
        node = self.node
        name, count = node.name, 1
        while name in self.types:
            count += 1
            name = f"{node.name}_{count}"
        tie = node.tie + name.removeprefix(node.name) if node.tie else ""
        self.types[name] = op.infer(*(self.types[i] for i in inputs))
        self.nodes.append(Node(name, op, inputs, node.layer, node.part, tie))
        return name

    def try_plain(self, op: Op, *values: Scaled) -> Scaled | None:
        """Append an operation as it is, where all its inputs are there as they are."""
        names = [value.plain for value in values]
        try:
            plain = self.emit(op, *(name for name in names if name is not None))
        except GatewrightError:
            if all(value.is_bare for value in values):
                raise
            return None
        return Scaled.of_plain(plain, self.types[plain])

    def with_code(self, value: Scaled, op: Op, **changes: object) -> Scaled:
        """Return a value whose code has gone through an operation."""
        code = self.emit(op, value.code)
        parts = {"scale": value.scale, "offset": value.offset, "pending": value.pending, **changes}
        return Scaled(code, self.types[code], **parts)  # type: ignore[arg-type]

    def simplified(self, value: Scaled) -> Scaled:
        """Return a value as a plain node where that costs nothing: scales are powers of two."""
        if value.pending or value.plain or not all_equal(value.offset, 0):
            return value
        if not all(power_of_two(s) for s in value.scale.ravel()):
            return value
        if all_equal(value.scale, 1):
            return Scaled.of_plain(value.code, value.kind)
        name = self.emit(Affine(reals(value.scale), np.asarray(0.0)), value.code)
        return Scaled.of_plain(name, self.types[name])

    # ---- bring a value into a form that an operation can use

    def settled(self, value: Scaled, what: str) -> Scaled:
        """Return a value without pending operations, done on codes where that is exact.

        Raises:
            UnsupportedError: an activation that only a quantizer behind it could absorb.
        """
        if value.plain:
            return Scaled.of_plain(value.plain, self.types[value.plain])
        pending, value = value.pending, Scaled(value.code, value.kind, value.scale, value.offset)
        for op in pending:
            value = self._settle(value, op, what)
        return value

    def _settle(self, value: Scaled, op: Op, what: str) -> Scaled:
        if isinstance(op, Affine):
            return value.affine(exact(op.scale), exact(op.offset))
        value = self.centred(value)
        scale = value.scale.flat[0]
        if isinstance(op, LeakyRelu) and all_equal(value.offset, 0) and _positive(value):
            return self.with_code(value, op)
        if isinstance(op, Clip) and all_equal(value.offset, 0) and _positive(value):
            limits = [None if v is None else Fraction(v) / scale for v in (op.low, op.high)]
            zero = all(v in (None, 0) for v in limits)
            if zero or (value.scale.size == 1 and all(v is None or _simple(v) for v in limits)):
                low, high = (None if v is None else float(v) for v in limits)
                return self.with_code(value, Relu(high=high) if low == 0 else Clip(low, high))
        raise UnsupportedError(
            f"{what} follows an activation that no quantizer follows",
            found=f"{op.kind} on integers times a scale that is no power of two",
            supported="a quantizer between an activation and the next product, sum or movement",
            remedy="quantize the activation's result",
        )

    def centred(self, value: Scaled) -> Scaled:
        """Return a value without offset, where the offset is a whole number of scales."""
        if all_equal(value.offset, 0) or not _positive(value):
            return value
        steps = short(value.offset / value.scale)
        if any(step.denominator != 1 for step in steps.ravel()) or not is_float(steps):
            return value
        return self.with_code(value, Affine(np.asarray(1.0), reals(steps)), offset=exact(0.0))

    def uniform(self, value: Scaled, what: str) -> Scaled:
        """Return a value with one scale for all its elements.

        Scales that differ by powers of two are brought to one by shifts.

        Raises:
            UnsupportedError: they differ by other factors.
        """
        if value.scale.size == 1:
            return value
        smallest = min(abs(s) for s in value.scale.ravel())
        ratios = short(value.scale / smallest) if smallest else value.scale
        if not smallest or not all(power_of_two(abs(r)) for r in ratios.ravel()):
            raise UnsupportedError(
                f"{what} needs one scale for all elements of a value",
                found=f"scales {', '.join(f'{float(s):.6g}' for s in value.scale.ravel()[:4])} …",
                supported="one scale per tensor, or scales that differ by powers of two",
                remedy="quantize the activation per tensor",
            )
        one = np.empty((), object)
        one[()] = smallest
        return self.with_code(value, Affine(reals(ratios), np.asarray(0.0)), scale=one)


def _positive(value: Scaled) -> bool:
    return all(s > 0 for s in value.scale.ravel())


def _simple(value: Fraction) -> bool:
    """Say whether a number is a short binary fraction, so that comparing with it is cheap."""
    d = value.denominator
    return d & (d - 1) == 0 and d <= 1 << 20 and abs(value) < 1 << 40
