"""The built wheel, alone in an environment of its own, holds all that the demo needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
import gatewright as gw
from pathlib import Path
from gatewright.datasets import load_jets, tagger_path
assert Path(gw.__file__).is_relative_to({prefix!r}), gw.__file__
assert len(load_jets().x_test) and tagger_path().is_file()
from gatewright.frontends import read_model
from gatewright.report import render
from gatewright.tools.verilator_build import driver_text
from gatewright.emit import emit_project
assert read_model(tagger_path()).nodes and driver_text()
print(gw.__version__)
"""


def run(*command: str, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A fresh environment with the wheel; its dependencies come from the tests' own."""
    pytest.importorskip("build", reason="needs the `build` package of the dev extra")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, files.split("\0")):
        target = source / name
        if not (ROOT / name).is_file() or not name.startswith(
            ("src/", "pyproject", "README", "LICENSE")
        ):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "venv"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel), cwd=folder)
    purelib = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    )
    (Path(purelib.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_package_data_come_along(environment, tmp_path):
    script = SCRIPT.format(prefix=str(environment))
    assert run(str(environment / "bin" / "python"), "-c", script, cwd=tmp_path).strip()


def test_the_command_is_installed(environment, tmp_path):
    out = run(str(environment / "bin" / "gatewright"), "devices", "--json", cwd=tmp_path)
    assert "xcvu13p" in out
