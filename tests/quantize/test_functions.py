"""Users' functions, quotients, normalisations and pieces get their formats automatically."""

import numpy as np
import pytest

from gatewright.ir import Graph, Input, Node, Output, evaluate, infer, run_real
from gatewright.num import Fixed, FixedArray
from gatewright.ops import (
    Affine,
    Dense,
    Divide,
    Function,
    Lookup,
    Normalize,
    Quantize,
    Relu,
    Softmax,
)
from gatewright.ops.piecewise import shrink
from gatewright.quantize import quantize
from gatewright.quantize.formats import Formats
from gatewright.quantize.forward import encode, forward

ONE = np.asarray(1.0)


def graph_of(*nodes, shape=(4,)):
    nodes = [Node(name, op, inputs, name) for name, op, inputs in nodes]
    outputs = (Output("y", nodes[-1].name),)
    return Graph("g", (Input("x", shape, None),), tuple(nodes), outputs)


def agrees(graph, x, tolerance):
    """Quantize; the loss is about the tolerance, and integers are what floats say."""
    result = quantize(graph, x, tolerance=tolerance)
    # It is measured on samples that formats were not chosen by.
    assert result.loss <= 1.5 * tolerance
    quantized = result.graph
    inputs = encode(quantized, {"x": x[:200]})
    types = infer(quantized)
    exact = evaluate(quantized, {
        "x": FixedArray.exact(inputs["x"]).fit(types["x"])
    })[quantized.outputs[0].value]  # fmt: skip
    floats = forward(quantized, {"x": x[:200]})[quantized.outputs[0].value]
    np.testing.assert_array_equal(exact.value, floats)
    wanted = run_real(graph, {"x": x[:200]})["y"]
    assert np.abs(exact.value - wanted).mean() <= 0.1 * np.abs(wanted).mean()
    return quantized


def test_a_users_function_and_a_quotient():
    rng = np.random.default_rng(0)
    dense = Dense.of(rng.normal(size=(4, 3)))
    graph = graph_of(
        ("d", dense, ("x",)), ("f", Lookup.of_function(lambda v: np.sin(2 * v)), ("d",)),
        ("r", Relu(), ("d",)), ("o", Affine(ONE, ONE), ("r",)), ("y", Divide(), ("f", "o")),
    )  # fmt: skip
    quantized = agrees(graph, rng.normal(size=(400, 4)), 0.05)
    (table,) = (n.op for n in quantized.nodes if isinstance(n.op, Lookup))
    assert table.function is None
    assert table.given.all()


def test_normalisations_and_pieces():
    rng = np.random.default_rng(1)
    graph = graph_of(
        ("d", Dense.of(rng.normal(size=(4, 5))), ("x",)),
        ("n", Normalize(True, "variance", 1e-3), ("d",)),
        ("s", shrink(0.25, 0.25), ("n",)),
        ("g", Function("gelu"), ("s",)),
        ("y", Normalize(False, "mean square", 1e-3), ("g",)),
        shape=(2, 4),
    )
    quantized = agrees(graph, rng.normal(size=(600, 2, 4)), 0.05)
    assert all(n.op.is_formatted for n in quantized.nodes if isinstance(n.op, Normalize))


@pytest.mark.parametrize("op", [Normalize(epsilon=1e-3), Softmax()], ids=lambda op: op.kind)
@pytest.mark.parametrize("text", ["fixed<4,2>", "ufixed<3,0>"])
def test_what_a_normalisation_gives_has_the_format_that_the_user_fixed(op, text):
    rng = np.random.default_rng(2)
    nodes = (
        Node("a", Dense.of(rng.normal(size=(5, 5)), rng.normal(size=5)), ("x",), "a"),
        Node("n", op, ("a",), "norm"),
        Node("s", Affine(rng.normal(size=5), rng.normal(size=5)), ("n",), "scale"),
        Node("b", Dense.of(rng.normal(size=(5, 2))), ("s",), "b"),
    )
    graph = Graph("net", (Input("x", (5,)),), nodes, (Output("y", "b"),))
    rules = Formats((("norm", "activation", text),))
    found = quantize(graph, rng.normal(size=(300, 5)), tolerance=0.95, formats=rules).graph
    types = infer(found)
    (node,) = [n for n in found.nodes if n.layer == "norm" and isinstance(n.op, Quantize)]
    fmt = Fixed.parse(text)
    lo, hi = types[node.name].low_value, types[node.name].high_value
    assert (lo >= np.ldexp(fmt.low, -fmt.frac)).all()
    assert (hi <= np.ldexp(fmt.high, -fmt.frac)).all()
    assert (types[node.name].frac <= fmt.frac).all()
    assert all(node.name in n.inputs for n in found.nodes if n.name == "s")
