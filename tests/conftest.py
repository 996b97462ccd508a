"""What every test can use: the shared data, a steady hypothesis, one flag for golden files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared"

# Circuits, models and the like that several tests of a folder use stand beside them.
sys.path += [str(TESTS), *(str(f) for f in sorted(TESTS.iterdir()) if f.is_dir())]

# Keras takes TensorFlow where nothing is said; the tests run it on PyTorch.
os.environ.setdefault("KERAS_BACKEND", "torch")

# Derandomized: a test that passes on one machine passes on the next, and xdist runs agree.
settings.register_profile("steady", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh-golden",
        action="store_true",
        help="write golden files anew instead of comparing with them",
    )
    parser.addoption(
        "--coverage-record",
        type=Path,
        metavar="FILE",
        help="write which layers of which framework were compared (see scripts/coverage_table.py)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--coverage-record"):
        from tests.coverage_record import Recorder

        config.pluginmanager.register(Recorder(config.getoption("--coverage-record")))


@pytest.fixture
def refresh_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--refresh-golden"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the large data sets and models that are not part of the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the shared data sets beside the checkout (../shared/data)")
    return folder
