"""The networks for folded, streaming and recurrent designs: their data, and what they answer."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.frontends import read_model
from gatewright.ir import run_real
from tests.models.networks import script
from tests.models.shapes import SHAPES, later_of_equals, recorded


def test_the_later_of_equal_scores_counts():
    scores = np.array([[1.0, 3.0, 3.0], [2.0, 1.0, 0.0]])
    assert later_of_equals(scores).tolist() == [2, 0]
    assert recorded(scores[:, None], np.array([2, 1])) == 0.5


def test_six_features_of_a_constituent():
    features = script("train_recurrent").features
    x = np.array([[[0.5, 0.3, 0.4], [0.25, 0.0, -0.1], [0.0, 0.0, 0.0]]], np.float32)
    np.testing.assert_array_equal(features(x, 3), x)
    six = features(x, 6)[0]
    np.testing.assert_allclose(six[0], [0.5, 0.3, 0.4, -1, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(six[2], [0, 0, 0, -12, 0, 0.25], atol=1e-6)


def test_digits_are_painted_by_chance_and_again():
    painted = script("train_digit_photos").painted
    digits = np.zeros((4, 28, 28), np.uint8)
    digits[:, 10:18, 12:16] = 255
    photos = np.full((2, 32, 32, 3), 100, np.uint8)
    images = painted(digits, photos, 3)
    np.testing.assert_array_equal(images, painted(digits, photos, 3))
    assert (images != painted(digits, photos, 4)).any()
    colour = (images != 100).any(3).reshape(4, -1)
    assert (colour.sum(1) == 32).all()  # 8 x 4 pixels, wherever they went
    assert len(np.unique(colour, axis=0)) > 1


LEAST = {"digits": 0.92, "gru": 0.62, "lstm": 0.62, "resnet-8": 0.855, "keywords": 1.0}
"""Of `SAMPLES` of the test part; the README beside the models has the figures of all of it."""

SAMPLES = 4000


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_networks_answer_as_they_were_trained(shared_data, name):
    material = next(shape for shape in SHAPES if shape.name == name).load(shared_data)
    graph = read_model(material.model)
    x, y = material.x[:SAMPLES], material.y[:SAMPLES]
    given = {graph.inputs[0].name: x}
    scores = run_real(graph, given)[graph.outputs[0].value]
    assert material.right(scores.reshape(len(x), -1), y) >= LEAST[name]
