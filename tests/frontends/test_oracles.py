"""What the recorded answers say is what the frameworks answer, each in an environment of its own.

Three packages own the module `qkeras`, so these frameworks cannot live together, nor with ours.
Each test makes a virtual environment in `.oracles/` (some minutes and a gigabyte, once), runs the
scripts that made the small files in `tests/data/keras`, and compares. Where an environment is there
already, name its Python: `GATEWRIGHT_ORACLE_QKERAS=/path/to/python`, `..._HGQ`, `..._KERAS2`,
`..._KERAS3`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "keras"

ORACLES = {
    "KERAS3": (
        ("keras==3.15.1", "torch==2.13.0", "h5py"),
        "torch",
        (("make_keras.py", "keras"),),
        ("keras3_activations", "keras3_functional", "keras3_sequential"),
    ),
    "KERAS2": (
        ("tf_keras==2.21.0", "tensorflow-cpu==2.21.0"),
        "tensorflow",
        (("make_keras.py", "tf_keras"),),
        ("keras2_activations", "keras2_functional", "keras2_sequential", "keras2_sequences"),
    ),
    "QKERAS": (
        ("qkeras-v3==1.2.1", "keras==3.15.1", "tensorflow-cpu==2.21.0"),
        "tensorflow",
        (("make_qkeras.py",), ("make_qkeras_recurrent.py",)),
        ("qkeras_data", "qkeras_kernels", "qkeras_network", "qkeras_windows", "qkeras_recurrent"),
    ),
    "HGQ": (
        ("HGQ2==0.2.0", "keras==3.15.1", "torch==2.13.0"),
        "torch",
        (("make_hgq.py",), ("make_hgq_recurrent.py",), ("make_hgq_attention.py",)),
        ("hgq_data", "hgq_layers", "hgq_weights", "hgq_attention", "hgq_tables", "hgq_recurrent"),
    ),
}
"""By name: packages, Keras's backend, scripts with their arguments, files compared."""

TOLERANCES = {"hgq_": 0.0, "qkeras_": 2.0**-22, "keras": 1e-5}
"""Relative, by the beginning of a file's name. HGQ2's numbers are on their grids. QKeras calls
functions of float32, which differ in the last bit between machines; a sum of floats depends on its
order."""


def python_of(name: str, packages: tuple[str, ...]) -> str:
    """Return the Python of an oracle's environment, which is made where it is not there."""
    given = os.environ.get(f"GATEWRIGHT_ORACLE_{name}")
    if given:
        return given
    folder = ROOT / ".oracles" / name.lower()
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", *packages],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"{packages[0]} cannot be installed here: {done.stderr[-300:]}")
        (folder / "ready").touch()
    return str(python)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORACLES)
def test_recorded_answers(name, tmp_path):
    packages, backend, scripts, files = ORACLES[name]
    python = python_of(name, packages)
    for source in DATA.glob("make_*.py"):
        shutil.copy(source, tmp_path)
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    for script, *words in scripts:
        done = subprocess.run(
            [python, str(tmp_path / script), *words], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}: {done.stderr[-2000:]}"
    for stem in files:
        found, recorded = np.load(tmp_path / f"{stem}.npz"), np.load(DATA / f"{stem}.npz")
        assert sorted(found) == sorted(recorded), stem
        for key in recorded:
            rtol = next(r for start, r in TOLERANCES.items() if stem.startswith(start))
            np.testing.assert_allclose(found[key], recorded[key], rtol, rtol, err_msg=key)


def test_the_oracles_are_those_of_the_readme():
    """Versions and files that the tests compare are those that the files' README names."""
    told = (DATA / "README.md").read_text()
    for packages, _, scripts, files in ORACLES.values():
        for script, *_ in scripts:
            assert script in told
        assert packages[0].partition("==")[2] in told
        assert all((DATA / f"{stem}.npz").is_file() for stem in files)
