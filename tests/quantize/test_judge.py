import numpy as np
import pytest
from quantize_models import chain, classifier, dense, drawn_labels, samples

from gatewright.base import DataError, OptionError
from gatewright.ir import Graph, Output, run_real
from gatewright.ops import Argmax, Function
from gatewright.quantize.data import Part
from gatewright.quantize.judge import Judge, best_temperature, check_tolerance, relative_error

MODEL, X = classifier(), samples(3000)
LABELS = drawn_labels(MODEL, X)


def moved(graph, noise):
    """Return outputs with noise on the scores."""
    z = run_real(graph, {"x": X})["n4"]
    z = z + noise * np.random.default_rng(0).normal(size=z.shape)
    return {"y": graph.nodes[-1].op.real(z)}


def test_expected_loss_follows_the_loss_counted():
    judge = Judge(MODEL, Part({"x": X}, LABELS))
    same = judge.compare(judge.outputs)
    assert same.loss == 0
    assert 0 < same.risk < 1e-3
    for noise in (0.2, 1.0):
        score = judge.compare(moved(MODEL, noise))
        assert score.metric == pytest.approx(judge.real - score.loss)
        assert abs(score.smooth - score.loss) < 0.015
        assert score.risk > score.smooth


def test_answers_of_one_output_and_of_positions():
    rng = np.random.default_rng(0)
    layer = dense(rng, 6, 1)
    logits = X @ layer.weight + layer.bias
    labels = (logits[:, 0] > 0).astype(int)
    for ops in ((layer,), (layer, Function("sigmoid"))):
        assert Judge(chain(*ops), Part({"x": X}, labels)).real == 1.0
    wide = dense(rng, 6, 4)
    labels = (X @ wide.weight + wide.bias).argmax(1)
    assert Judge(chain(wide, Argmax()), Part({"x": X}, labels)).real == 1.0


def test_temperature_of_overconfident_scores():
    z = np.random.default_rng(0).normal(size=(4000, 3)) * 2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    labels = (p.cumsum(1) < np.random.default_rng(1).random((4000, 1))).sum(1)
    assert best_temperature(5 * z, labels) == pytest.approx(5, rel=0.15)


def test_relative_error_is_of_the_spread():
    y = np.random.default_rng(0).normal(size=(10000, 2)) * 3 + 100
    assert relative_error({"y": y}, {"y": y + 0.3}) == pytest.approx(0.1, rel=0.02)
    assert relative_error({"y": y}, {"y": y}) == 0


def test_labels_that_do_not_fit_the_model():
    with pytest.raises(DataError, match="names no class of the model") as error:
        Judge(MODEL, Part({"x": X}, np.full(len(X), 3)))
    assert "found:     3" in str(error.value)
    assert "supported: 0 to 2" in str(error.value)
    two = Graph("g", MODEL.inputs, MODEL.nodes, (*MODEL.outputs, Output("z", "n4")))
    with pytest.raises(DataError, match="labels need a model with one output"):
        Judge(two, Part({"x": X}, LABELS))


@pytest.mark.parametrize("value", [0, 1, -0.1, float("nan"), float("inf"), "0.1", True])
def test_tolerance_out_of_range(value):
    with pytest.raises(OptionError, match="the tolerance is out of range") as error:
        check_tolerance(value, True)
    assert "a number between 0 and 1" in str(error.value)


def test_default_tolerance():
    assert check_tolerance(None, True) == 0.002
    assert check_tolerance(None, False) == 0.02
