"""The derived output error holds: for random expressions, at random inputs and at corners."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import gatewright as gw
from gatewright.flow.host import encode
from gatewright.flow.import_check import random_reals
from gatewright.frontends.expressions import Expressions, read_expressions
from gatewright.ir import evaluate, run_real
from gatewright.quantize.bounded import Bounded, quantize_bounded

LEAVES = st.one_of(
    st.sampled_from(["x0", "x1", "x2"]),
    st.floats(-3, 3, allow_nan=False).map(lambda v: f"({v:.3g})"),
)
ONE = ["sin({})", "cos({})", "exp({}/4)", "tanh({})", "abs({})", "({})**2", "({})**3", "atan({})",
       "sqrt(abs({}))", "1/(1.5 + ({})**2)", "log(2 + abs({}))", "sigmoid({})", "sign({})",
       "erf({}/2)", "softplus({})", "gelu({})", "1/(2.5 + sin({}))", "asin(tanh({}))",
       "acos(sin({})/1.1)", "log1p(abs({}))", "cosh({}/5)", "2**({}/3)"]  # fmt: skip
TWO = ["({} + {})", "({} - {})", "({} * {})", "({}) / (2 + abs({}))", "max({}, {})",
       "min({}, {})", "(1.7*{} - 0.3*{})", "({0} if x1 > 0.4 else {1})", "cond(x0 - x2, {} + {})",
       "where(x0 <= x1, {}, {})"]  # fmt: skip


def _join(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(st.sampled_from(ONE), children).map(lambda t: t[0].format(t[1])),
        st.tuples(st.sampled_from(TWO), children, children).map(lambda t: t[0].format(t[1], t[2])),
    )


TEXTS = st.recursive(LEAVES, _join, max_leaves=8)
FORMATS = st.sampled_from(
    ["fixed<6,3>", "ufixed<8,3>", "fixed<12,4>", "fixed<10,1>", "ufixed<5,5>"]
)


def worst(text: str, found: Bounded, count: int = 400) -> float:
    """Return the largest distance of the integer graph from the real one."""
    graph = found.graph
    x = random_reals(graph, count)
    rng = np.random.default_rng(2)
    for i in graph.inputs:
        low, high = i.type.low_value, i.type.high_value
        ends = np.stack([low, np.clip(np.zeros(i.shape), low, high), high])
        x[i.name][:100] = ends[rng.integers(0, 3, (100, *i.shape)), np.arange(i.shape[0])]
    codes = encode(graph, x)
    ours = evaluate(graph, codes)
    source = read_expressions(Expressions(text))
    theirs = run_real(source, {name: v.value for name, v in codes.items()})
    return max(
        float(np.abs(ours[o.value].value - theirs[s.value]).max())
        for o, s in zip(graph.outputs, source.outputs, strict=True)
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, FORMATS, st.sampled_from([0.3, 1e-2, 1e-3]))
def test_the_bound_holds(text: str, fmt: str, most: float) -> None:
    graph = read_expressions(Expressions(text))
    try:
        found = quantize_bounded(graph, most, fmt)
    except gw.GatewrightError as error:
        said = str(error)
        assume(False) if "cannot be derived" in said or "too large a table" in said else None
        assume("reaches a pole" not in said)
        raise
    assert max(found.derived.values()) <= most
    assert worst(text, found) <= max(found.derived.values())


CASES = [
    ("x0*x1", 1e-3),
    ("exp(x0/4)", 0.1),  # coarse: operands at the range's end are rounded beyond it
    ("sqrt(abs(x0)) + x1**3", 1e-2),
    ("sqrt(x0**2)", 1e-2),
    ("acos(x0/8) + asin(x1/8)", 1e-2),  # to the very edge of the domain
    ("exp(-x0^2/3) + cos(x1)", 1e-4),
    ("log(x0^2 + 0.3)*tanh(x1)", 1e-2),
    ("1/(x0^2 - 2*x0 + 3)", 1e-3),  # whose interval holds 0, but not its range
    ("where(x0 > 0.3, x1, 1) + (x2 != 0.3) + (x2 == 0.5) + (0.7 >= x1)", 1e-6),
    ("max(x0, 0.3)*min(x1, -0.7)", 1e-3),
    ("max(0, sin(x0)) if x1 > 0 and x2 < 1 or x0 == 1 else x2", 1e-3),
    ("x0 - x0 + 1.25", 1e-9),
    ("x0*0.125 + 3", 1e-9),
    ("tan(x0/8) + sinh(x1/4) + atanh(x2/9) + acosh(9 + x0)", 1e-3),
    ("sqrt(x0**2 + x1**2)", 1e-3),
    ("log(x0**2 + x1**2 + 0.02)", 1e-3),
    ("1/(0.05 + x0**2 + x1**2)", 1e-2),
    ("log1p(x0*x1/66)", 1e-4),
    ("(9 + x0)**0.3 + (9 + x0)**-1.7", 1e-3),
]


@pytest.mark.parametrize(("text", "most"), CASES)
def test_cases(text: str, most: float) -> None:
    found = quantize_bounded(read_expressions(Expressions(text)), most, "fixed<12,4>")
    (derived,) = found.derived.values()
    assert derived <= most
    assert worst(text, found, 2000) <= derived


def test_every_input_of_a_small_format() -> None:
    text = "sin(x0*x1)/(1.5 + x0) + exp(-x1)"
    found = quantize_bounded(read_expressions(Expressions(text)), 2e-3, "ufixed<6,2>")
    grid = np.arange(64) / 16
    x = np.stack([v.ravel() for v in np.meshgrid(grid, grid)], axis=1)
    codes = encode(found.graph, {"x": x})
    ours = evaluate(found.graph, codes)[found.graph.outputs[0].value].value[:, 0]
    error = np.abs(ours - (np.sin(x[:, 0] * x[:, 1]) / (1.5 + x[:, 0]) + np.exp(-x[:, 1])))
    assert error.max() <= found.derived["y"] <= 2e-3


def test_a_smaller_error_costs_more() -> None:
    graph = read_expressions(Expressions("exp(-x0^2/3) + x1/(x2^2 + 1.5)"))
    costs = [quantize_bounded(graph, most, "fixed<12,4>").cost for most in (0.1, 1e-2, 1e-3)]
    assert costs == sorted(costs)


def test_terms_of_one_input_are_one_function() -> None:
    graph = read_expressions(Expressions("exp(-x0^2/3 + sin(x0))*x1/(x2^2 + 1.5)"))
    found = quantize_bounded(graph, 1e-3, "fixed<10,3>")
    assert worst("exp(-x0^2/3 + sin(x0))*x1/(x2^2 + 1.5)", found, 2000) <= found.derived["y"]
    assert "divide" not in {node.op.kind for node in found.graph.nodes}
    assert {t.text for t in found.terms} >= {"x0", "x1", "x2"}
    assert not any(t.text == "square(x0)" for t in found.terms)


def test_formats_by_name_and_ranges_from_data() -> None:
    graph = read_expressions(Expressions("log(x0) + x1"))
    columns = {"x0": ("x", 0), "x1": ("x", 1)}
    formats = {"x0": "ufixed<12,3>", "x1": "fixed<6,2>"}
    with pytest.raises(gw.GatewrightError, match="reaches a pole"):
        quantize_bounded(graph, 1e-2, formats, None, columns)
    data = {"x": np.random.default_rng(0).uniform(0.5, 3, (50, 2))}
    found = quantize_bounded(graph, 1e-2, formats, data, columns)
    (kind,) = (i.type for i in found.graph.inputs)
    assert kind.frac.tolist() == [9, 4]
    assert kind.low_value[0] >= 0.49
    assert worst("log(x0) + x1", found) <= 1e-2
    with pytest.raises(gw.GatewrightError, match="not one of the firmware's input"):
        encode(found.graph, {"x": np.asarray([[0.0, 1.0]])})


@pytest.mark.parametrize(
    ("text", "fmt", "most", "said"),
    [
        ("log(x0)", "fixed<8,3>", 0.1, "log of `x0`, which can be from -4 to 3.96875"),
        ("x1/(x0 - 1)", "fixed<8,3>", 0.1, "a division by `(1*x0-1)`"),
        ("1/x0", "ufixed<8,3>", 0.1, "a division by `x0`, which can be from 0 to 7.96875"),
        ("tan(x0)", "fixed<8,3>", 0.1, "numbers away from its poles"),
        ("sqrt(x0 + x1)", "fixed<8,3>", 0.1, "limit the inputs"),
        ("where(sin(x0) > 0.5, 1, 2)", "fixed<8,3>", 0.1, "decides by numbers that are rounded"),
        ("x0", None, 0.1, "an input has no number format"),
        ("x0", "fixed<8>", 0.1, "a number format cannot be read"),
        ("x0", "fixed<8,3>", 0.0, "the output error is impossible"),
        ("x0", "fixed<8,3>", float("nan"), "the output error is impossible"),
        ("x0*x1", "fixed<8,3>", 1e-9, ""),
        ("x0*x1", "fixed<8,3>", 1e-15, "cannot be derived"),
        ("exp(exp(x0))", "fixed<12,4>", 1e-3, "cannot be derived"),
    ],
)
def test_errors(text: str, fmt: str | None, most: float, said: str) -> None:
    graph = read_expressions(Expressions(text))
    if not said:
        assert quantize_bounded(graph, most, fmt).derived["y"] <= most
        return
    with pytest.raises(gw.GatewrightError) as caught:
        quantize_bounded(graph, most, fmt)
    assert said in str(caught.value)


def test_other_models_are_refused() -> None:
    from gatewright.ir import Graph, Input, Node, Output
    from gatewright.ops import Softmax

    graph = Graph("g", (Input("x", (3,)),), (Node("s", Softmax(), ("x",), "out"),),
                  (Output("y", "s"),), "net.onnx")  # fmt: skip
    with pytest.raises(gw.GatewrightError, match="can only be derived for expressions") as caught:
        quantize_bounded(graph, 0.1, "fixed<8,3>")
    assert "softmax" in str(caught.value)
    assert "Multiply" in str(caught.value)


def test_columns_that_nothing_reads_take_no_memory() -> None:
    graph = read_expressions(Expressions("sin(x0)*x9999"))
    tracemalloc.start()
    try:  # 4,096 parts of 10,000 columns would be 650 MB
        found = quantize_bounded(graph, 0.1, "fixed<4,2>")
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()
    assert found.derived["y"] <= 0.1


def test_sinc_through_zero() -> None:
    design = gw.compile(gw.Expressions("sinc(3*x0)"), max_error=0.01, input_format="fixed<9,3>")
    x = np.arange(-256, 256)[:, None] / 64
    assert np.abs(design.predict(x) - np.sinc(3 * x / np.pi)).max() <= 0.01
