"""A small float model of every operation is quantized, and its loss is small.

Operations are found by the list of all; models are made of their conformance cases.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
from quantize_models import integers

from gatewright.ir import Graph, Input, Node, Op, Output, infer, run_real
from gatewright.ops import (
    OPERATIONS,
    Affine,
    Dense,
    DivideConstant,
    Lookup,
    PlaceWeights,
    Requantize,
    ScaledQuantize,
    TableSum,
)
from gatewright.quantize import quantize
from gatewright.quantize.judge import relative_error

MADE_LATER = (PlaceWeights, Requantize, ScaledQuantize, TableSum)
"""They stand for quantizers of the user's model, or read the codes of these, and are gone or there
only after `streamline`; or are made of quantized operations by `gather_dense`."""

FOLDED = (Affine, DivideConstant)
"""A dense layer behind them would take them in."""

SAMPLES, TOLERANCE = 160, 0.1


def real_op(op: Op) -> Op:
    """Return an operation without the formats that quantization is to find."""
    if isinstance(op, Lookup):
        return Lookup.of_function(np.tanh)
    if not op.rounds:
        return op
    return replace(op, **{n: None for n in ("out", "formats") if hasattr(op, n)})


def case_of(kind: type[Op]):
    """Return the first conformance case whose operands and result all move."""
    stem = kind.__module__.rpartition(".")[2]
    cases = importlib.import_module(f"tests.ops.cases.{stem}").CASES
    for case in cases:
        if all((t.lo < t.hi).all() for t in case.inputs):
            op = real_op(case.op)
            y = op.real(*drawn(op, case, np.random.default_rng(0)).values())
            if (y.std(0) > 0).any():
                return case
    return cases[0]


def drawn(op: Op, case, rng):
    """Draw operands within the case's types: whole numbers where the operation reads positions."""
    x = {}
    for k, t in enumerate(case.inputs):
        u = rng.random((SAMPLES, *t.shape))
        x[f"x{k}"] = t.low_value + u * (t.high_value - t.low_value)
        if k in op.index_operands:
            low, high = op.index_range(*(t.shape for t in case.inputs))
            x[f"x{k}"] = rng.integers(low, high + 1, u.shape).astype(float)
    return x


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_a_model_of_it_is_quantized(kind):
    assert kind.growth, f"{kind.__name__} does not say what it does to formats: see Op.growth"
    if kind in MADE_LATER:
        return
    case, rng = case_of(kind), np.random.default_rng(0)
    op = real_op(case.op)
    x = drawn(op, case, rng)
    names = tuple(x)
    nodes = [Node("y", op, names, "the_layer")]
    inputs = tuple(Input(n, v.shape[1:]) for n, v in x.items())
    shape = op.real(*x.values()).shape[1:]
    if shape and shape[-1] and kind not in FOLDED:
        nodes.append(Node("z", Dense.of(rng.normal(size=(shape[-1], 2))), ("y",), "behind"))
    graph = Graph("one", inputs, tuple(nodes), (Output("o", nodes[-1].name),))
    q = quantize(graph, x if len(x) > 1 else x["x0"], tolerance=TOLERANCE)
    assert q.graph.is_fixed
    assert q.loss <= 1.5 * TOLERANCE
    assert set(infer(q.graph)) >= {"y"}
    exact, fixed = run_real(graph, x)[nodes[-1].name], integers(q.graph, x)["o"]
    assert relative_error({"o": exact}, {"o": fixed}) <= 1.5 * TOLERANCE


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_it_states_its_cost_and_bound(kind):
    assert kind.wiring or kind.luts is not Op.luts, "see Op.luts"
    assert kind.float_bound is not Op.float_bound, "see Op.float_bound"
