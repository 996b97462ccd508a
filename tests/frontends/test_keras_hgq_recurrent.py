"""Recurrent layers of HGQ2: what HGQ2 recorded, bit for bit, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import answers, layer, recorded, sequential, start, write_keras

from gatewright.base import UnsupportedError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real


def test_answers_of_hgq(tmp_path):
    graph = read_keras(recorded("hgq_recurrent", ".keras", tmp_path))
    assert graph.facts["quantization"] == "HGQ2"
    inputs, expected = answers("hgq_recurrent")
    values = run_real(graph, inputs)
    for output, y in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(values[output.value].astype(np.float32), y)
        assert len(np.unique(y)) > 1


def test_output_quantizer(tmp_path):
    entry = layer("QGRU", "g", "hgq", units=2, enable_oq=True, reset_after=True)
    with pytest.raises(UnsupportedError) as error:
        read_keras(write_keras(tmp_path, sequential(start(3, 2), entry)))
    text = str(error.value)
    assert text.startswith("the output quantizer of a recurrent layer is not handled")
    assert "layer 'g', attribute 'enable_oq'" in text
