"""Move the quantizer at a model's input to the host, so that the firmware receives its integers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from gatewright.base import Diagnostics, GatewrightError, Place, UnsupportedError
from gatewright.ir import Graph, Input, Node, Op
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Affine, Clip, Function, LeakyRelu, Quantize, ScaledQuantize
from gatewright.ops.movement import Movement

Quantizer = Quantize | ScaledQuantize


@dataclass(frozen=True, eq=False)
class _Path:
    """The way from an input to a quantizer: what happens to each element, and what only moves."""

    elementwise: tuple[Node, ...]
    moves: tuple[Node, ...]
    quantizer: Node


def host_input(graph: Graph) -> Graph:
    """Turn the quantizer behind an input that takes real numbers into the input's own type.

    Before: an input with `type=None` that reaches, by way of elementwise operations (done on the
    host as well) and of movements, one quantizer or several equal ones. After: the input has the
    type of the quantizer's codes and `encode` does the rest; movements move codes. Behind a
    `ScaledQuantize` stands an `Affine` with its scale, for `streamline` to absorb. Inputs without
    a quantizer stay as they are, and so does the rest of the graph.

    Raises:
        UnsupportedError: an input is read by different quantizers, or by a quantizer and by an
            operation that takes real numbers.
    """
    inputs: list[Input] = []
    renamed: dict[str, str] = {}
    scales: dict[str, Affine] = {}
    diagnostics = Diagnostics()
    for i in graph.inputs:
        with diagnostics.gather():
            paths = [] if i.type is not None else _paths(graph, i)
            if not paths:
                inputs.append(i)
                continue
            inputs.append(_encoded(i, paths[0]))
            for path in paths:
                for node in path.elementwise:
                    renamed[node.name] = node.inputs[0]
                op = path.quantizer.op
                if isinstance(op, ScaledQuantize):
                    offset = np.asarray(-op.zero_point * op.step + 0.0)
                    scales[path.quantizer.name] = Affine(op.step, offset)
                else:
                    renamed[path.quantizer.name] = path.quantizer.inputs[0]
    diagnostics.raise_if_any()
    return _without(graph, tuple(inputs), renamed, scales)


def _without(
    graph: Graph, inputs: tuple[Input, ...], renamed: dict[str, str], scales: dict[str, Affine]
) -> Graph:
    """Return the graph without some nodes, and others replaced."""

    def final(name: str) -> str:
        while name in renamed:
            name = renamed[name]
        return name

    nodes = tuple(
        replace(
            node,
            op=scales.get(node.name, node.op),
            inputs=tuple(final(name) for name in node.inputs),
        )
        for node in graph.nodes
        if node.name not in renamed
    )
    outputs = tuple(replace(o, value=final(o.value)) for o in graph.outputs)
    return replace(graph, inputs=inputs, nodes=nodes, outputs=outputs)


def _paths(graph: Graph, i: Input) -> list[_Path]:
    """Return every way from an input to a quantizer; none where it reaches no quantizer.

    Raises:
        UnsupportedError: the ways differ, or lead to something else as well.
    """
    readers = graph.readers()
    outputs = {o.value for o in graph.outputs}
    paths: list[_Path] = []
    others: list[str] = ["an output"] if i.name in outputs else []
    waiting: list[tuple[str, tuple[Node, ...], tuple[Node, ...]]] = [(i.name, (), ())]
    while waiting:
        name, elementwise, moves = waiting.pop()
        for node in readers[name]:
            if isinstance(node.op, Quantizer):
                paths.append(_Path(elementwise, moves, node))
                continue
            if isinstance(node.op, Affine | Clip | LeakyRelu | Function):
                waiting.append((node.name, (*elementwise, node), moves))
            elif isinstance(node.op, Movement):
                waiting.append((node.name, elementwise, (*moves, node)))
            else:
                others.append(f"{node.layer or node.name} ({node.op.kind})")
            if node.name in outputs:
                others.append("an output")
    if paths:
        _check(graph, i, paths, others)
    return paths


def _check(graph: Graph, i: Input, paths: list[_Path], others: list[str]) -> None:
    """Refuse an input whose readers do not all read the same integers."""
    first = paths[0]
    different = [
        p
        for p in paths
        if not equal(first.quantizer.op, p.quantizer.op)
        or [n.name for n in first.elementwise] != [n.name for n in p.elementwise]
    ]
    if different or others:
        read_by = [
            f"{p.quantizer.layer or p.quantizer.name} ({p.quantizer.op.kind})" for p in paths
        ]
        raise _refused(
            graph,
            i,
            "an input is not read through one quantizer",
            ", ".join([*read_by, *others]),
            "one quantizer, or several equal ones, as the input's only readers",
        )
    if first.moves and not all(
        _same_everywhere(n.op) for n in (*first.elementwise, first.quantizer)
    ):
        raise _refused(
            graph,
            i,
            "an input is moved before it is quantized by numbers that differ per element",
            f"{', '.join(n.op.kind for n in first.moves)} before {first.quantizer.op.kind}",
            "a quantizer of one format or scale, or one that stands before the movement",
        )


def _refused(graph: Graph, i: Input, what: str, found: str, supported: str) -> GatewrightError:
    return UnsupportedError(
        what,
        place=Place(graph.source, i.name),
        found=found,
        supported=supported,
        remedy="quantize the input once, and let every layer read that; "
        "or give the input a format of its own",
    )


def _same_everywhere(op: Op) -> bool:
    """Say whether an operation treats every element alike."""
    return all(np.size(getattr(op, f.name)) == 1 for f in fields(op) if not _is_plain(op, f.name))  # type: ignore[arg-type]


def _is_plain(op: Op, name: str) -> bool:
    return not isinstance(getattr(op, name), np.ndarray)


def _encoded(i: Input, path: _Path) -> Input:
    """Return the input with the type of the quantizer's codes, and the host's way to them."""
    op = path.quantizer.op
    before = tuple(node.op for node in path.elementwise)
    if isinstance(op, Quantize):
        return replace(i, type=_spread(op.format, i.shape), encode=(*i.encode, *before, op))
    assert isinstance(op, ScaledQuantize)
    # The quantizer gives (code - zp) * scale. Dividing by the scale lands within a hair of the
    # code, and rounding to the nearest integer on it.
    low, high = op.code_limits
    fmt = Fixed.holding(low, high, 0)
    back = Affine(1.0 / op.step, np.asarray(op.zero_point, np.float64))
    codes = Quantize.to_format(fmt, Rounding.RND, Overflow.SAT)
    kind = Intervals.of(np.full(i.shape, low), np.full(i.shape, high), 0)
    return replace(i, type=kind, encode=(*i.encode, *before, op, back, codes))


def _spread(kind: Intervals, shape: tuple[int, ...]) -> Intervals:
    lo, hi, frac = (np.broadcast_to(v, shape) for v in (kind.lo, kind.hi, kind.frac))
    return Intervals.of(lo, hi, frac)


def equal(a: Op, b: Op) -> bool:
    """Say whether two operations are the same function: type and every field are equal."""
    return type(a) is type(b) and all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name))
        if isinstance(getattr(a, f.name), np.ndarray)
        else getattr(a, f.name) == getattr(b, f.name)
        for f in fields(a)  # type: ignore[arg-type]
    )
