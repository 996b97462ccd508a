"""What is wrong with an expression is said in one error; nothing of it is ever executed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gatewright as gw
from gatewright.frontends import read_model
from gatewright.frontends.expressions import Expressions

HOSTILE = [
    "__import__('os').system('touch EXECUTED')",
    "().__class__.__bases__[0].__subclasses__()",
    "x0.real",
    "x0[0]",
    "[x0 for x0 in (1,)]",
    "lambda: 0",
    'exec(\'open("EXECUTED", "w")\')',
    "(x0 := 3)",
    "f'{x0}'",
    "sin(*x0)",
    "sin(x=x0)",
    "await x0",
    "x0 @ x1",
    "x0 % 2",
    "x0 // 2",
    "1j * x0",
    "True + x0",
    "'text'",
    "0 < x0 < 1",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_executed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gw.GatewrightError, match=r"what is not known|not known|cannot be read"):
        read_model(Expressions(text))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gamma(x0)", "an expression calls a function that is not known"),
        ("sin(x0, x1)", "another number of operands"),
        ("x0 +", "an expression cannot be read"),
        ("x0 + )", "an expression cannot be read"),
        ("", "an expression cannot be read"),
        ("x0 = 3", "an expression cannot be read"),
        ("1e999*x0", "not a finite number"),
        ("x0 + log(0)", "not a finite number"),
        ("x0 + sqrt(-2)", "not a finite number"),
        ("x0 + (-2)**0.5", "not a finite number"),
        ("nan(x0)", "a function that is not known"),
        ("x0/0", "divides by zero"),
        ("x0/(3 - 3)", "divides by zero"),
        ("1/(x1 - x1)", "divides by zero"),
        ("x0 + 9**9**9", "not a finite number"),
        ("9**9**9**9**9", "not a finite number"),
        ("E*x0", "Euler's number or a variable"),
        ("atan2(x0, x1)", "atan2, which jumps"),
        ("x5000000000", "asks for too many columns"),
        ("(" * 5000 + "x0" + ")" * 5000, "an expression cannot be read"),
        ("sin(" * 90 + "x0" + ")" * 90, ""),
        ("-" * 3000 + "x0", "nested too deep|cannot be read"),
        ("abs(" + "2**(" * 80 + "x0" + ")" * 81, ""),
        ("x0*" * 40_000 + "x0", "an expression is too long"),
    ],
)
def test_errors(text: str, said: str) -> None:
    if not said:
        read_model(Expressions(text))
        return
    with pytest.raises(gw.GatewrightError, match=said) as caught:
        read_model(Expressions({"mass": text}, source="found.expr"))
    if "columns" not in said:
        assert "mass" in str(caught.value)


def test_text_of_an_error() -> None:
    with pytest.raises(gw.GatewrightError) as caught:
        read_model(Expressions({"m": "x0*gamma(x1)"}, source="mass.expr"))
    text = str(caught.value)
    for part in ("mass.expr", "m", "gamma()", "sin, sinc", "write it with the functions"):
        assert part in text


def test_large_powers_are_quick() -> None:
    graph = read_model(Expressions("x0**(9**9) + x0**64"))
    assert len(graph.nodes) < 20
    read_model(Expressions("*".join(["x0"] * 800)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_constants_that_are_no_numbers(bad: float) -> None:
    with pytest.raises(gw.GatewrightError, match="not a finite number"):
        read_model(Expressions([bad]))


def test_missing_column() -> None:
    with pytest.raises(gw.GatewrightError, match="a variable that has no column") as caught:
        read_model(Expressions("pt + phi", variables=("pt", "eta")))
    assert "phi" in str(caught.value)
    assert "pt, eta" in str(caught.value)


def test_bad_expressions() -> None:
    with pytest.raises(gw.GatewrightError, match="there is no expression"):
        Expressions({})
    with pytest.raises(gw.GatewrightError, match="share a name"):
        Expressions("a", variables=("a", "a"))
    with pytest.raises(gw.GatewrightError, match="this is no expression"):
        read_model(Expressions({"y": object()}))


def test_sympy_that_cannot_be_built() -> None:
    sp = pytest.importorskip("sympy")
    x, n = sp.symbols("x0 n")
    for bad, said in (
        (sp.Integral(sp.sin(x * n), (n, 0, x)), "holds what is not known"),
        (sp.zeta(x), "a function that is not known"),
        (x + sp.I, "not a finite real number"),
        (x * sp.oo, "not a finite real number"),
        (sp.Piecewise((x, x > 0)), "without a value"),
    ):
        with pytest.raises(gw.GatewrightError, match=said):
            read_model(Expressions({"y": bad}))


def test_data_of_another_width() -> None:
    with pytest.raises(gw.GatewrightError, match="shape"):
        gw.compile(Expressions("x0 + x3"), calibration=np.zeros((10, 3)))
