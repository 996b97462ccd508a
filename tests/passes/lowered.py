"""Small graphs, and the two ways to run what they are lowered to."""

from __future__ import annotations

import numpy as np

from gatewright.flow.host import corner_codes
from gatewright.hw import Module, check, evaluate, run_stream
from gatewright.ir import Graph, Input, Node, Op, Output, Plan
from gatewright.ir import evaluate as evaluate_graph
from gatewright.num import Fixed, FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize
from gatewright.passes.lower import lower

TYPE = Fixed.parse("fixed<5,3>")


def quantizer(text: str = "fixed<5,3>") -> Quantize:
    return Quantize.to_format(Fixed.parse(text), Rounding.RND, Overflow.SAT)


def dense(n_in: int, n_out: int, seed: int = 0) -> Dense:
    rng = np.random.default_rng(seed)
    return Dense.of(rng.integers(-7, 8, (n_in, n_out)) / 4, rng.integers(-9, 10, n_out) / 8)


def graph(
    nodes: list[tuple[str, Op, str] | tuple[str, Op, str, str]],
    outputs: str,
    inputs: dict[str, tuple[int, ...]] | None = None,
) -> Graph:
    """Build a graph from (name, operation, inputs[, layer]); names are apart by blanks."""
    shapes = inputs or {"x": (3,)}
    return Graph(
        "net",
        tuple(Input(n, s, Intervals.format(TYPE, s)) for n, s in shapes.items()),
        tuple(Node(n[0], n[1], tuple(n[2].split()), n[3] if len(n) > 3 else "") for n in nodes),
        tuple(Output(f"out_{v}", v) for v in outputs.split()),
        source="net.onnx",
    )


def samples(g: Graph, count: int = 20) -> dict[str, FixedArray]:
    rng = np.random.default_rng(1)
    codes = {i.name: corner_codes(i.type, rng, count) for i in g.inputs}
    least = min(map(len, codes.values()))
    return {i.name: FixedArray(codes[i.name][-least:], i.type.frac) for i in g.inputs}


def ports(g: Graph, m: Module, given: dict[str, FixedArray]) -> dict[str, np.ndarray]:
    names = [p for p in m.inputs if p != "valid_in"]
    return {
        port: given[i.name].q.reshape(len(given[i.name].q), -1)
        for port, i in zip(names, g.inputs, strict=True)
    }


def same_numbers(g: Graph, m: Module, given: dict[str, FixedArray], found) -> None:
    """Compare what output ports show with the graph's integer reference."""
    wanted = evaluate_graph(g, given)
    names = [p for p in m.outputs if p != "valid_out"]
    for port, o in zip(names, g.outputs, strict=True):
        grid = m.intervals(m.outputs[port]).frac
        value = wanted[o.value].value.reshape(len(found[port]), -1)
        np.testing.assert_array_equal(np.ldexp(found[port], -grid), value, err_msg=port)


def agrees(g: Graph, plans: dict[str, Plan] | None = None) -> Module:
    """Lower a graph without folded layers and compare it with the reference."""
    m = lower(g, plans)
    check(m)
    given = samples(g)
    feed = ports(g, m, given)
    count = len(next(iter(feed.values())))
    found = evaluate(m, {"valid_in": np.ones((count, 1), np.int64), **feed})
    assert found["valid_out"].all()
    same_numbers(g, m, given, found)
    return m


def streams(g: Graph, m: Module, count: int = 6) -> None:
    """Run a pipelined module with gaps and compare results and latency."""
    check(m)
    given = samples(g, count)
    feed = ports(g, m, given)
    length = len(next(iter(feed.values())))
    result = run_stream(m, feed, np.random.default_rng(2).integers(0, 3, length))
    assert len(result.output_cycle) == length
    assert set((result.output_cycle - result.accept_cycle).tolist()) == {m.latency}
    same_numbers(g, m, given, result.outputs)
