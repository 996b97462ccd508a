"""Layers on images and sequences: a whole network, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_files import layer, sequential, start, write_keras

from gatewright.base import GatewrightError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real

ANSWERS = Path(__file__).resolve().parents[1] / "data" / "keras" / "resnet8_answers.npz"


def test_resnet8_of_mlperf_tiny(shared_data) -> None:
    path = shared_data / "models" / "mlperf_ic01_resnet8_ref.h5"
    images = shared_data / "mlperf_tiny_ic01.npz"
    if not path.is_file() or not images.is_file():
        pytest.skip("needs mlperf_ic01_resnet8_ref.h5 and mlperf_tiny_ic01.npz of the shared data")
    graph = read_keras(path)
    expected = np.load(ANSWERS)["y"]
    data = np.load(images)
    values = run_real(graph, {graph.inputs[0].name: data["x"][:20].astype(np.float64)})
    ours = values[graph.outputs[0].value]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
    assert (ours.argmax(1) == data["y"][:20]).sum() == 17


def refused(folder, entry, shape, groups=None) -> str:
    with pytest.raises(GatewrightError) as error:
        read_keras(write_keras(folder, sequential(start(*shape), entry), groups))
    return str(error.value)


@pytest.mark.parametrize(
    ("entry", "shape", "texts"),
    [
        (
            layer("Conv1D", "c", filters=2, kernel_size=[3, 3]),
            (5, 2),
            ["no list of lengths", "layer 'c', attribute 'kernel_size'", "1 whole numbers from 1"],
        ),
        (
            layer("Conv2D", "c", filters=2, kernel_size=3, padding="reflect"),
            (5, 5, 2),
            ["a padding is not handled", "found:     'reflect'", "valid, same"],
        ),
        (
            layer("Conv2D", "c", filters=3, kernel_size=3, groups=2),
            (5, 5, 4),
            ["no multiples of the groups", "4 channels, 3 filters, 2 groups"],
        ),
        (
            layer("Conv2D", "c", filters=0, kernel_size=3),
            (5, 5, 4),
            ["no whole number from 1", "attribute 'filters'"],
        ),
        (
            layer("Conv2D", "c", filters=2, kernel_size=3, data_format="NHWC"),
            (5, 5, 2),
            ["a data format is not handled", "channels_last or channels_first"],
        ),
        (
            layer("Conv2D", "c", filters=2, kernel_size=3),
            (4, 5, 5, 2),
            ["an input of another rank", "2 spatial axes"],
        ),
        (layer("MaxPooling1D", "p", pool_size=9), (5, 2), ["larger than its input", "layer 'p'"]),
        (
            layer("UpSampling2D", "u", interpolation="bicubic"),
            (4, 4, 1),
            ["an interpolation is not handled", "nearest, bilinear"],
        ),
        (
            layer("ZeroPadding2D", "z", padding=[[1, 2, 3], [0, 0]]),
            (4, 4, 1),
            ["no list of counts before and after", "2 pairs"],
        ),
        (layer("Cropping1D", "k", cropping=[3, 2]), (5, 2), ["leaves nothing", "layer 'k'"]),
        (
            layer("GlobalMaxPooling2D", "g"),
            (5, 2),
            ["a global pooling takes height, width and channels"],
        ),
    ],
)
def test_refusals(tmp_path, entry, shape, texts) -> None:
    found = refused(tmp_path, entry, shape)
    for text in texts:
        assert text in found, found
