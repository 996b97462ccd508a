"""Expressions as text and from SymPy: meaning, sharing, columns, and comparison with the source."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright as gw
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.frontends.expressions import Expressions, read_expressions, replay
from gatewright.ir import run_real

TEXTS = [
    "2.5*exp(-x0^2/3) + sin(x1*x2)/(x3**2+1.5) - max(x4,0.3)*cond(x5, x6) + 3*x0 - x7",
    "sqrt(abs(x0))*x0^3 - x1^-2 + x2**2.5 + pow(abs(x3), 0.3)",
    "x0/x1/2 - -x2*(x3 - x4)/3 + (x0 - x1)/(x0 - 7)",
    "x0 if x1 > 0.5 else x2 if not x3 < 1 else where(x4, 1, 2)",
    "(x0 > x1 and x2 >= 0.3) + 2*(x0 == x1 or x2 != x3) - logical_or(x0 - 1, x1 - 1)",
    "log(x0) + log2(x1) + log(x2, 3) + log1p(x3) + tanh(x4)*sigmoid(x5) + erf(x6)/cosh(x7)",
    "clip(x0, 0.2, 1) + sign(x1 - 1) + square(x2) + cube(x3) + inv(x4) + cbrt(-x5) + relu(x6-1)",
    "min(x0, x1, 0.7)*fabs(x2 - 1) + pi*x3 + 1e-3 + asin(x4/9) + atan(x5) + softplus(x6) + sec(x7)",
    "x0**64 / 1e20 + x1**2*x2**2*x0*x1 - greater(x0, x1)*less_equal(x2, x3)",
    "2^x0 + x0^x1 + exp2(x2) - expm1(x3) + asinh(x4) + acosh(1 + x5) + gelu(x6) + erfc(x7)",
]


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.05, 2.5, (50, 8))


def values(model: object, data: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    graph = read_model(model)
    inputs = data if isinstance(data, dict) else {graph.inputs[0].name: data}
    inputs = {i.name: inputs[i.name][:, : i.shape[0]] for i in graph.inputs}
    (check,) = compare_with_source(model, graph, inputs)
    assert check.vectors == len(next(iter(inputs.values())))
    found = run_real(graph, inputs)
    return {o.name: found[o.value].ravel() for o in graph.outputs}


@pytest.mark.parametrize("text", TEXTS)
def test_text_means_what_it_says(text: str, x: np.ndarray) -> None:
    theirs = (
        eval(  # the tests' own text
            text.replace("^", "**").replace("pow(", "power("),
            {"__builtins__": {}},
            namespace(x),
        )
        if not any(word in text for word in (" if ", " and ", "not "))
        else None
    )
    ours = values(Expressions(text), x)["y"]
    if theirs is not None:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def namespace(x: np.ndarray) -> dict[str, object]:
    """Return NumPy's functions under the names of the texts, written apart from the source's."""
    erf = np.vectorize(__import__("math").erf)
    own = {name: getattr(np, name) for name in (
        "exp", "sin", "sqrt", "abs", "power", "log2", "log1p", "tanh", "cosh", "sign", "square",
        "fabs", "exp2", "expm1", "clip", "cbrt", "greater", "less_equal", "pi",
    )}  # fmt: skip
    own |= {
        "max": np.maximum, "relu": lambda a: a * (a > 0),
        "cond": lambda a, b: (a > 0) * b, "erf": erf,
        "log": lambda a, base=np.e: np.log(a) / np.log(base),
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
        "cube": lambda a: a**3, "inv": lambda a: 1 / a, "asin": np.arcsin, "atan": np.arctan,
        "min": lambda a, b, c: np.minimum(np.minimum(a, b), c), "sec": lambda a: 1 / np.cos(a),
        "softplus": lambda a: np.log(1 + np.exp(a)), "asinh": np.arcsinh, "acosh": np.arccosh,
        "gelu": lambda a: a * (1 + erf(a / 2**0.5)) / 2, "erfc": lambda a: 1 - erf(a),
    }  # fmt: skip
    return own | {f"x{n}": x[:, n] for n in range(8)}


def test_choices_and_truth(x: np.ndarray) -> None:
    found = values(Expressions(TEXTS[3]), x)["y"]
    other = np.where(~(x[:, 3] < 1), x[:, 2], 1.0)
    np.testing.assert_array_equal(found, np.where(x[:, 1] > 0.5, x[:, 0], other))
    x[3, :2] = 1.5
    found = values(Expressions(TEXTS[4]), x)["y"]
    a, b, c, d = x[:, :4].T
    both = ((a > b) & (c >= 0.3)) + 2.0 * ((a == b) | (c != d)) - ((a > 1) | (b > 1))
    np.testing.assert_array_equal(found, both)


def test_common_terms_are_built_once() -> None:
    given = Expressions({"a": "sin(x0*x1) + x2", "b": "3*sin(x1*x0)/x2", "c": "sin(x0*x1)"})
    kinds = [node.op.kind for node in read_expressions(given).nodes]
    assert kinds.count("function") == 1
    assert kinds.count("multiply") == 1
    layers = {n.layer for n in read_expressions(given).nodes if n.op.kind == "function"}
    assert layers == {"shared"}


def test_sums_are_one_row_and_powers_are_squares() -> None:
    text = "+".join(f"{n + 1}*x{n}" for n in range(800))
    graph = read_expressions(Expressions(text))
    assert [n.op.kind for n in graph.nodes if n.op.kind not in ("slice", "concatenate")] == [
        "dense"
    ]
    kinds = [node.op.kind for node in read_expressions(Expressions("x0**8")).nodes]
    assert kinds == ["slice", "function", "function", "function"]


def test_columns_by_name(x: np.ndarray) -> None:
    given = Expressions({"m": "E*pt", "n": "pi - E"}, variables=("pt", "eta", "E", "pi"))
    found = values(given, x[:, :4])
    np.testing.assert_allclose(found["m"], x[:, 2] * x[:, 0])
    np.testing.assert_allclose(found["n"], x[:, 3] - x[:, 2])
    named = values(Expressions("pt*2 + eta"), {"pt": x[:, :1], "eta": x[:, 1:2]})
    np.testing.assert_allclose(named["y"], 2 * x[:, 0] + x[:, 1])
    mixed = read_expressions(Expressions("x1 + x_1"))  # two names are two inputs
    assert [i.name for i in mixed.inputs] == ["x1", "x_1"]


def test_constants_and_variables_may_be_outputs(x: np.ndarray) -> None:
    found = values(Expressions({"c": "2*3 - pi", "v": "x1", "w": "x1"}), x[:, :2])
    assert (found["c"] == 6 - np.pi).all()
    np.testing.assert_array_equal(found["v"], x[:, 1])
    np.testing.assert_array_equal(found["w"], x[:, 1])


def test_sympy(x: np.ndarray) -> None:
    sp = pytest.importorskip("sympy")
    a, b = sp.symbols("pt eta")
    choice = sp.Piecewise(
        (a, sp.And(a > b, a < 2)), (b, sp.Or(a < 1, sp.Not(sp.Eq(b, 2)))), (0, True)
    )
    text = sp.exp(-a / 3) * sp.sin(b) / (a**2 + 1) ** 2 + choice + sp.pi * a + sp.Max(a, b, 1)
    found = values(Expressions({"s": text, "t": a * b - sp.E}, variables=("pt", "eta")), x[:, :2])
    p, e = x[:, 0], x[:, 1]
    chosen = np.where((p > e) & (p < 2), p, np.where((p < 1) | (e != 2), e, 0))
    wanted = np.exp(-p / 3) * np.sin(e) / (p**2 + 1) ** 2 + chosen + np.pi * p
    np.testing.assert_allclose(found["s"], wanted + np.maximum(np.maximum(p, e), 1))
    np.testing.assert_allclose(found["t"], p * e - np.e)
    x0, x1 = sp.symbols("x0 x1")
    bare = values(x0 * sp.Abs(x1) + sp.sqrt(2), x[:, :2])
    np.testing.assert_allclose(bare["y"], p * e + 2**0.5)


def test_list_layers(tmp_path: object) -> None:
    assert [(e.name, e.kind) for e in list_layers(Expressions({"a": "x0", "b": "2*x1"}))] == [
        ("a", "x0"),
        ("b", "2*x1"),
    ]


def test_a_wrong_import_is_found(x: np.ndarray) -> None:
    given = Expressions("sin(x0) + x1")
    other = read_expressions(Expressions("sin(x0) + 1.0001*x1"))
    with pytest.raises(gw.GatewrightError, match="differs from its source"):
        compare_with_source(given, other, {"x": x[:, :2]})


def test_replay_is_by_name(x: np.ndarray) -> None:
    found = replay(Expressions("a1*b"), {"a1": x[:, 0], "b": x[:, 1]})
    np.testing.assert_array_equal(found["y"], x[:, 0] * x[:, 1])


def test_compile_with_calibration(x: np.ndarray) -> None:
    data = np.random.default_rng(0).uniform(0, 2, (400, 2))
    design = gw.compile(gw.Expressions("x0*exp(-x1)"), calibration=data, tolerance=0.05)
    (check,) = design.facts()["source_checks"]
    assert check["vectors"] > 200
    assert check["method"].startswith("as written")
    error = np.abs(design.predict(data).ravel() - data[:, 0] * np.exp(-data[:, 1]))
    assert error.max() < 0.2


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x0 + x1 - x1", {"x": (2,)}),
        ("x0 + 0*x3", {"x": (4,)}),
        ("pt + eta - eta", {"pt": (1,), "eta": (1,)}),
    ],
)
def test_a_variable_that_cancels_keeps_its_column(text, shapes):
    design = gw.compile(gw.Expressions(text), max_error=0.01, input_format="fixed<8,3>")
    assert {i.name: i.shape for i in design.graph.inputs} == shapes


def test_sinc_is_that_of_sympy() -> None:
    sympy = pytest.importorskip("sympy")
    x = np.asarray([[0.0], [0.5], [3.0]])
    wanted = [1.0, np.sin(0.5) / 0.5, np.sin(3.0) / 3.0]
    for model in (Expressions("sinc(x0)"), sympy.sinc(sympy.Symbol("x0"))):
        (found,) = values(model, x).values()
        np.testing.assert_allclose(found.ravel(), wanted)


@pytest.mark.parametrize("name", ["nan", "inf", "Infinity", "oo", "zoo"])
def test_what_is_no_number_wrong(name: str) -> None:
    with pytest.raises(gw.GatewrightError, match="no finite real number"):
        read_expressions(Expressions(f"{name}*x0"))
    given = Expressions(f"{name}*x0", variables=("x0", name))
    assert read_expressions(given).inputs[0].shape == (2,)


@pytest.mark.parametrize("text", ["x[a]", "x[-1]", "x[0, 1]", "x1[0]", "f(x0)[0]", "x[True]"])
def test_other_indices_wrong(text: str) -> None:
    with pytest.raises(gw.GatewrightError, match="holds what is not known"):
        read_expressions(Expressions(text))


def test_calls_and_indices_as_other_searches_print_them(x: np.ndarray) -> None:
    (found,) = values(Expressions("add(mul(X0, X1), sin(X[2])) - X[3]*div(X4, X5)"), x).values()
    wanted = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) - x[:, 3] * x[:, 4] / x[:, 5]
    np.testing.assert_allclose(found.ravel(), wanted)
