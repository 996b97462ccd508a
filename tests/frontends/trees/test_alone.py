"""A damaged file that ends its library is one clear error here, and nothing is written."""

import re

import numpy as np
import pytest

from gatewright.base import GatewrightError, ModelError
from gatewright.cli import main
from gatewright.frontends import read_model
from gatewright.frontends.trees import alone, run
from gatewright.frontends.trees.run import CannotRunError, ask_file

RNG = np.random.default_rng(8)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


@pytest.fixture(scope="module")
def lightgbm(tmp_path_factory):
    lgb = pytest.importorskip("lightgbm", reason="needs LightGBM")
    options = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 4}
    path = tmp_path_factory.mktemp("sound") / "model.txt"
    lgb.train({**options, "num_threads": 1}, lgb.Dataset(X, Y), 2).save_model(path)
    return path


def ends(monkeypatch, tmp_path, program):
    """Let another program stand for the library."""
    path = tmp_path / "library.py"
    path.write_text(program)
    monkeypatch.setattr(alone, "__file__", str(path))


def test_a_library_that_ends(lightgbm, tmp_path):
    """LightGBM reads past its lines where `num_cat` is damaged (4.7)."""
    path = tmp_path / "model.txt"
    path.write_text(lightgbm.read_text().replace("num_cat", "num_dog"))
    with pytest.raises(ModelError, match="the library itself cannot read this file"):
        ask_file("lightgbm", path, X, {})
    with pytest.raises(ModelError, match="num_cat"):
        read_model(path)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("import os; os.abort()", "it ended by SIGABRT"),
        ("import sys; print('Check failed', file=sys.stderr); sys.exit(3)", "it ended: Check fai"),
        ("print('half an answer')", "it ended"),
    ],
)
def test_the_command_line_survives(lightgbm, tmp_path, monkeypatch, capsys, program, found):
    ends(monkeypatch, tmp_path, program)
    data, folder = tmp_path / "x.npz", tmp_path / "out"
    np.savez(data, x=X, y=Y)
    given = ["compile", str(lightgbm), "-o", str(folder), "--calibrate", str(data)]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert "the library itself cannot read this file" in said
    assert f"found:     {found}" in said
    assert not folder.exists()
    assert not [p for p in tmp_path.iterdir() if p.name not in ("library.py", "x.npz")]


def test_no_answer_is_no_check(lightgbm, tmp_path, monkeypatch):
    ends(monkeypatch, tmp_path, "import time; time.sleep(60)")
    monkeypatch.setattr(run, "PATIENCE", 0.2)
    with pytest.raises(CannotRunError, match="did not answer within"):
        ask_file("lightgbm", lightgbm, X, {})
    monkeypatch.setattr("sys.executable", "")
    with pytest.raises(CannotRunError, match="does not know its own program"):
        ask_file("lightgbm", lightgbm, X, {})


def cut(data):
    return data[: len(data) // 2]


def flipped(data):
    at = data.index(b"num_leaves") + len("num_leaves=")
    return data[:at] + b"-" + data[at + 1 :]


def emptied(data):
    return re.sub(rb"(?m)^threshold=.*$", b"threshold=", data)


def parameters(data):
    return data.replace(b"[boosting: gbdt]", b"[boosting- gbdt]")


@pytest.mark.parametrize("damage", [cut, flipped, emptied, parameters])
@pytest.mark.parametrize("command", ["inspect", "compile"])
def test_damaged_files(lightgbm, tmp_path, capsys, damage, command):
    path, folder = tmp_path / "model.txt", tmp_path / "out"
    path.write_bytes(damage(lightgbm.read_bytes()))
    more = ["-o", str(folder)] if command == "compile" else []
    status = main([command, str(path), *more])
    said = capsys.readouterr()
    assert status == 2 or (command == "inspect" and status == 1)
    assert "Traceback" not in said.err
    assert "defect" not in said.err
    assert not folder.exists()


@pytest.mark.parametrize("child", [-5, -(2**40)])
def test_children_that_xgboost_would_follow(tmp_path, child):
    """The library takes -1 alone for a leaf, and reads outside of its memory at others."""
    xgb = pytest.importorskip("xgboost", reason="needs XGBoost")
    path = tmp_path / "model.json"
    xgb.XGBClassifier(n_estimators=1, max_depth=1, nthread=1).fit(X, Y).save_model(path)
    text = re.sub(r'"left_children":\[(\d+),-1', rf'"left_children":[\1,{child}', path.read_text())
    path.write_text(text)
    with pytest.raises(GatewrightError, match="not what it should be") as error:
        read_model(path)
    assert "-1 at a leaf" in str(error.value)
