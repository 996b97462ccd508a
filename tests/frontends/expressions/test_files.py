"""Files: PySR's tables of equations, and lines `name = expression`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gatewright as gw
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.frontends.expressions import Expressions, equations
from gatewright.ir import run_real

TABLE = """Complexity,Loss,Equation
1,42.35424,"0.9847967"
3,12.5,"x1 * 2.0"
5,0.9,"cos(x3) * 2.5"
8,0.017,"(cos(x3) * 2.5) + square(x0)"
10,0.016,"((cos(x3) * 2.5) + square(x0)) - 0.01"
"""
OTHER = """Complexity,Loss,Equation
1,2.0,x0
2,0.0,inv(x1)
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "hall_of_fame.csv"
    path.write_text(TABLE)
    return path


def test_the_best_is_the_steepest_of_the_good(table: Path) -> None:
    given = Expressions.from_pysr(table)
    assert given.outputs == {"y": "(cos(x3) * 2.5) + square(x0)"}
    assert given.facts == {"equation y": "complexity 8, loss 0.017"}
    assert [e.complexity for e in equations(table)] == [1, 3, 5, 8, 10]


def test_complexity_and_several_outputs(table: Path, tmp_path: Path) -> None:
    assert Expressions.from_pysr(table, complexity=3).outputs == {"y": "x1 * 2.0"}
    other = tmp_path / "hall_of_fame_output2.csv"
    other.write_text(OTHER)
    graph = read_model(Expressions.from_pysr(table, other))
    assert [o.name for o in graph.outputs] == ["y0", "y1"]
    x = np.random.default_rng(0).normal(size=(9, 4))
    found = run_real(graph, {"x": x})
    y = [found[o.value].ravel() for o in graph.outputs]
    np.testing.assert_allclose(y[0], np.cos(x[:, 3]) * 2.5 + x[:, 0] ** 2)
    np.testing.assert_allclose(y[1], 1 / x[:, 1])  # a loss of 0 is the best there is


@pytest.mark.parametrize("name", ["hall_of_fame.csv", "equations.csv.bkup", "eqs"])
def test_a_path_is_read_and_compared(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(TABLE)
    graph = read_model(path)
    x = {"x": np.random.default_rng(0).normal(size=(9, 4))}
    (check,) = compare_with_source(str(path), graph, x)
    assert check.vectors == 9


def test_lines_of_text(tmp_path: Path) -> None:
    path = tmp_path / "mass.expr"
    path.write_text("# found\nvariables: pt, eta phi\n\nm = pt*exp(-eta)  # mass\nn = phi^2\n")
    graph = read_model(path)
    assert graph.inputs[0].shape == (3,)
    assert [o.name for o in graph.outputs] == ["m", "n"]
    x = {"x": np.random.default_rng(0).normal(size=(9, 3))}
    (check,) = compare_with_source(path, graph, x)
    assert check.vectors == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Complexity,Loss,Equation\n", "is empty"),
        ("Complexity,Loss,Equation\n1,abc,x0\n", "line 2"),
        ("Complexity,Loss,Equation\n1,0.5,x0\n2,nan,x1\n", "line 3"),
        ("Complexity,Loss,Equation\n1,-2,x0\n", "damaged"),
        ("Complexity,Loss,Equation\n1,0.3\n", "damaged"),
        ('Complexity,Loss,Equation\n1,0.3,"sin(x0\n', "cannot be read"),
        ("a,b,c\n1,2,3\n", "is no table of equations|cannot be told"),
    ],
)
def test_damaged_tables(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "hall_of_fame.csv"
    path.write_text(text)
    with pytest.raises(gw.GatewrightError, match=said):
        read_model(path)


def test_other_files(table: Path, tmp_path: Path) -> None:
    with pytest.raises(gw.GatewrightError, match="no equation of this complexity") as caught:
        Expressions.from_pysr(table, complexity=4)
    assert "1, 3, 5, 8, 10" in str(caught.value)
    with pytest.raises(gw.GatewrightError, match="cannot be read"):
        Expressions.from_pysr(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(gw.GatewrightError, match="no UTF-8 text"):
        Expressions.from_pysr(tmp_path / "bytes.csv")
    for line, said in (
        ("m pt*2", "name = expression"),
        ("m = 1\nm = 2", "share a name"),
        ("", "no expr"),
    ):
        (tmp_path / "a.expr").write_text(line)
        with pytest.raises(gw.GatewrightError, match=said):
            read_model(tmp_path / "a.expr")


def test_a_pickle_is_refused_and_the_table_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pkl"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(gw.GatewrightError, match="a pickle can run any code") as caught:
        read_model(path)
    assert "hall_of_fame.csv" in str(caught.value)
