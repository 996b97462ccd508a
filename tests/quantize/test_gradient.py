import numpy as np
import pytest

from gatewright.base import UnsupportedError
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.ir.op import Op
from gatewright.ops import (
    Add,
    Affine,
    Concatenate,
    Dense,
    Function,
    LeakyRelu,
    Maximum,
    Multiply,
    Quantize,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)
from gatewright.quantize.gradient import Reverse, pullback

RNG = np.random.default_rng(0)


def check(graph, names, seed_of):
    """Compare with a directional difference of the whole graph."""
    x = {i.name: RNG.normal(size=(5, *i.shape)) for i in graph.inputs}
    values = run_real(graph, x)
    seed = RNG.normal(size=values[seed_of].shape)
    found = Reverse(graph, values).gradients({seed_of: seed})
    for name in names:
        way = RNG.normal(size=x[name].shape) * 1e-6
        up, down = (run_real(graph, {**x, name: x[name] + k * way})[seed_of] for k in (1, -1))
        numeric = ((up - down) / 2 * seed).reshape(5, -1).sum(1)
        exact = (found[name] * way).reshape(5, -1).sum(1)
        np.testing.assert_allclose(exact, numeric, rtol=1e-4, atol=1e-10)


def test_all_kinds_of_operations_in_one_graph():
    nodes = (
        Node("d", Dense.of(RNG.normal(size=(4, 6)), np.zeros(6)), ("a",)),
        Node("l", LeakyRelu(np.asarray(0.2)), ("d",)),
        Node("f", Affine(RNG.normal(size=6), RNG.normal(size=6)), ("l",)),
        Node("m", Multiply(), ("f", "b")),
        Node("s", Add(), ("m", "d")),
        Node("x", Maximum(), ("s", "f")),
        Node("t", Function("tanh"), ("x",)),
        Node("r", Reshape((2, 3)), ("t",)),
        Node("p", Transpose((1, 0)), ("r",)),
        Node("k", Slice(((0, 2, None),)), ("p",)),
        Node("c", Concatenate(0), ("p", "k")),
        Node("z", Softmax(), ("c",)),
    )
    graph = Graph("g", (Input("a", (4,)), Input("b", (1,))), nodes, (Output("y", "z"),))
    check(graph, ["a", "b"], "z")


def test_quantizers_pass_gradients_but_not_where_they_clip():
    op = Quantize.to(True, 4, 2)
    x = np.array([[0.9, -1.3, 30.0]])
    (g,) = pullback(op, [x], np.array([[0.75, -1.5, 1.75]]))(np.ones((1, 3)))
    assert g.tolist() == [[1.0, 1.0, 0.0]]


class Turned(Op):
    """Rises with one element and falls with the next: no rule, rows not independent."""

    def real(self, *x):
        return np.sin(x[0]) - x[0][..., ::-1] ** 2

    def infer(self, *x):
        raise NotImplementedError

    evaluate = lower = infer


class TurnedRows(Turned):
    """The same, said to be independent by rows."""

    def at_row(self, index):
        return self


@pytest.mark.parametrize("kind", [Turned, TurnedRows])
def test_differences_where_an_operation_has_no_rule(kind):
    x = RNG.normal(size=(4, 3, 2))
    op = kind()
    dy = RNG.normal(size=x.shape)
    (g,) = pullback(op, [x], op.real(x))(dy)
    exact = dy * np.cos(x) - dy[..., ::-1] * 2 * x
    np.testing.assert_allclose(g, exact, rtol=1e-6, atol=1e-8)


def test_operation_without_a_rule_and_too_large_for_differences():
    x = np.zeros((1, 70, 70))
    with pytest.raises(UnsupportedError) as error:
        pullback(Turned(), [x], x)
    text = str(error.value)
    assert "an operation cannot be differentiated, so that it cannot be quantized" in text
    assert "found:     turned on 4900 elements, without a rule of its own" in text
    assert "supported: a rule (`Op.pullback`), or at most 4096 elements" in text
