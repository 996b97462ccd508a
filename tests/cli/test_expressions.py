"""Expressions on the command line: every fault is one clear error, and nothing is half written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "import sys; from gatewright.cli import main; sys.exit(main())"


def call(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], cwd=folder, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


FAULTS = {
    "pole.expr": ("y = 1/x0\n", "reaches a pole"),
    "unknown.expr": ("y = foo(x0)\n", "calls a function that is not known"),
    "empty.expr": ("", "a file holds no expression"),
    "nan.expr": ("y = nan*x0\n", "no finite real number"),
    "huge.expr": ("y = x0 * 10**400\n", "not a finite number"),
    "exponent.expr": ("y = x0^1e300\n", "nothing bounds the error of `power(x0, 1e+300)`"),
    "index.expr": ("y = x[a]\n", "holds what is not known"),
    "column.expr": ("variables: a, b\ny = a*c\n", "a variable that has no column"),
    "line.expr": ("y = x0\nthis is no line\n", "line 2"),
    "columns.csv": ("Equation\nx0*x1\n", "no table of equations"),
    "loss.csv": ("Complexity,Loss,Equation\n1,nan,x0\n", "a table of equations is damaged"),
    "none.csv": ("Complexity,Loss,Equation\n", "a table of equations is empty"),
    "empty.csv": ("", "the kind of model cannot be told"),
}
OPTIONS = ("--max-error", "0.05", "--input-format", "fixed<6,3>")

SEVERAL = f"""
import contextlib, io, sys
from gatewright.cli import main
for name in sys.argv[1:]:
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        try:
            code = main(["compile", name, "-o", name + "_out", *{OPTIONS!r}])
        except SystemExit as left:
            code = left.code
    print("##", name, code)
    print(told.getvalue())
"""
"""Compile files one after the other in one process: each would import the package again."""


def test_each_fault_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    for name, (text, _) in FAULTS.items():
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-c", SEVERAL, *FAULTS], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    found = dict(part.split("\n", 1) for part in run.stdout.split("## ")[1:])
    for name, (_, wanted) in FAULTS.items():
        assert f"{name} 2" in found, (name, run.stdout, run.stderr)
        told = found[f"{name} 2"]
        assert wanted in told, told
        assert told.count("error: ") == 1
        assert "Traceback" not in told
        assert not (tmp_path / f"{name}_out").exists()


@pytest.mark.parametrize(
    "table",
    [
        'Complexity,Loss,Equation\n1,0.5,"x0"\n3,0.1,"x0 * x1"\n',
        "Complexity;Loss;Equation\n1;0.5;x0\n3;0.1;x0 * x1\n",
        "Complexity|MSE|Equation\n1|0.5|x0\n3|0.1|x[0] * x[1]\n",
    ],
)
def test_tables_of_all_ages_are_read(tmp_path: Path, table: str) -> None:
    (tmp_path / "hall_of_fame.csv").write_text(table)
    run = call("inspect", "hall_of_fame.csv", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "multiply" in run.stdout


def test_a_file_from_inspection_to_report(tmp_path: Path) -> None:
    (tmp_path / "m.expr").write_text("y = x0*x[1] + sinc(x0)  # SymPy's sinc\n")
    for arguments in (
        ("compile", "m.expr", "-o", "d", *OPTIONS),
        ("verify", "d", "--random", "50"),
        ("report", "d"),
    ):
        run = call(*arguments, folder=tmp_path)
        assert run.returncode == 0, run.stderr
    facts = json.loads((tmp_path / "d" / "report.json").read_text())
    bound = facts["quantization"]
    assert bound["tried"]["y"]["worst"] <= bound["derived"]["y"] <= bound["max_error"] == 0.05
    assert "output error" in {c["subject"] for c in facts["verification"]["checks"]}
    page = (tmp_path / "d" / "report.html").read_text()
    assert "x0*x[1] + sinc(x0)" in page
    assert "the lines are the derived bounds" in page
