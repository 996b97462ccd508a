"""Recurrent layers of QKeras: what QKeras recorded, bit for bit, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import answers, layer, recorded, sequential, start, write_keras

from gatewright.base import UnsupportedError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real

CLOSE = 2.0**-20
"""QKeras's straight-through sums x + (q - x) round in float32; a unit of its formats is 2**-6."""


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("stem", ["qkeras_recurrent", "qkeras_recurrent_scales"])
def test_answers_of_qkeras(stem, suffix, tmp_path):
    graph = read_keras(recorded(stem, suffix, tmp_path))
    assert graph.facts["quantization"] == "QKeras"
    inputs, expected = answers(stem)
    values = run_real(graph, inputs)
    for output, y in zip(graph.outputs, expected, strict=True):
        assert values[output.value].shape == y.shape
        assert np.abs(values[output.value] - y).max() < CLOSE
        assert len(np.unique(y)) > 4


def test_state_quantizer_that_is_not_handled(tmp_path):
    entry = layer("QLSTM", "l", "qkeras", units=2, state_quantizer="ternary(alpha=1)")
    with pytest.raises(UnsupportedError) as error:
        read_keras(write_keras(tmp_path, sequential(start(3, 2), entry), WEIGHTS))
    text = str(error.value)
    assert text.startswith("the quantizer ternary is not handled in a recurrent layer")
    assert "layer 'l', attribute 'state_quantizer'" in text


WEIGHTS = {
    "layers/qlstm/cell": [np.ones(s, np.float32) for s in ((2, 8), (2, 8), (8,))],
}
