"""The demo's jets and tagger."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from gatewright.base import FileError
from gatewright.datasets import jets, load_jets, tagger_path


@pytest.fixture(scope="module")
def sample():
    return load_jets()


def test_sample_is_complete_and_finite(sample):
    assert sample.x_calibration.shape == (4000, 16)
    assert sample.x_test.shape == (5000, 16)
    assert sample.x_test.dtype == np.float32
    assert len(sample.features) == 16
    assert sample.classes == ("g", "q", "W", "Z", "t")
    for x, y in ((sample.x_calibration, sample.y_calibration), (sample.x_test, sample.y_test)):
        assert np.isfinite(x).all()
        assert len(y) == len(x)
        assert (np.bincount(y, minlength=5) > 0.18 * len(y)).all()


def test_calibration_and_test_jets_are_different_jets(sample):
    known = {row.tobytes() for row in sample.x_calibration}
    assert not known & {row.tobytes() for row in sample.x_test}


def test_standardised_jets_have_unit_scale(sample):
    """Roughly: the constants are those of all training jets, with their tails pulled in."""
    inner = np.clip(sample.standardised(sample.x_calibration), -6, 6)
    assert np.abs(inner.mean(0)).max() < 0.1
    assert np.abs(inner.std(0) - 1).max() < 0.3


def test_sample_is_the_rows_it_says(sample, shared_data):
    with np.load(shared_data / "jets_pythia_100k.npz", allow_pickle=False) as full:
        x, y = full["x"], full["y"]
    assert (x[:4000] == sample.x_calibration).all()
    assert (x[80_000:85_000] == sample.x_test).all()
    assert (y[80_000:85_000] == sample.y_test).all()


def test_tagger_is_as_accurate_as_its_readme_says(sample):
    """The reference evaluator of onnx needs no framework."""
    model = onnx.load(tagger_path())
    onnx.checker.check_model(model, full_check=True)
    (scores,) = ReferenceEvaluator(model).run(None, {"jet": sample.x_test})
    accuracy = float((scores.argmax(1) == sample.y_test).mean())
    readme = Path(jets.__file__).with_name("README.md").read_text()
    assert f"{100 * accuracy:.2f} %" in readme


def test_missing_data_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(jets, "SAMPLE", "nothing.npz")
    with pytest.raises(FileError, match="installed without its sample data") as caught:
        load_jets()
    assert "pip install --force-reinstall gatewright" in str(caught.value)
