"""A command called in this process, and a design that several tests read."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tests.cli.cli_models import quantized, samples, write

from gatewright.cli import main


@pytest.fixture
def call(capsys):
    """Return a function that runs a command and gives status, output and errors."""

    def run(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        printed = capsys.readouterr()
        return SimpleNamespace(status=status, out=printed.out, err=printed.err)

    return run


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Folder with a model, data and its design; to be read only."""
    folder = tmp_path_factory.mktemp("compiled")
    model = write(folder / "small.onnx", quantized())
    np.savez(folder / "data.npz", x=samples(), y=np.zeros(200, np.int64))
    np.save(folder / "x.npy", samples())
    words = ["compile", model, "-o", folder / "design", "--calibrate", folder / "x.npy", "-q"]
    assert main([str(word) for word in words]) == 0
    return folder


@pytest.fixture
def design(compiled, tmp_path):
    """A copy of the design, to be changed."""
    return shutil.copytree(compiled / "design", tmp_path / "design")
