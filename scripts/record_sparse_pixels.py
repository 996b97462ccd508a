"""Record what the package sparsepixels answers, for tests/data/sparse_pixels.

Run with `sparsepixels` 0.3.2, HGQ2 and Keras installed: `python scripts/record_sparse_pixels.py`.
Models are small, with random weights; files are the model as Keras saves it, inputs and answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from hgq.quantizer.config import QuantizerConfig
from sparsepixels.layers import (
    AveragePooling2DSparse,
    InputReduce,
    MaxPooling2DSparse,
    QConv2DSparse,
)

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "sparse_pixels"


def network(learned: bool, pools: tuple[Any, Any], activation: str) -> Any:
    """Return two convolutions and poolings on 8 x 8 pixels."""
    data = QuantizerConfig(
        place="datalane", q_type="kif", i0=4, f0=5, overflow_mode="WRAP", homogeneous_axis=(0, 1, 2)
    )
    dense = QuantizerConfig(place="datalane", q_type="kif", i0=4, f0=5, overflow_mode="WRAP")
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, enable_iq=True, beta0=1e-5),
    ):
        x_in = keras.Input((8, 8, 1), name="x_in")
        x, mask = InputReduce(
            n=6, threshold=0.1, learn_n=learned, learn_threshold=learned, name="input_reduce"
        )(x_in)
        for number, pool in enumerate(pools, 1):
            x = QConv2DSparse(
                filters=2, kernel_size=3, padding="same", strides=1, activation=activation,
                name=f"conv{number}", iq_conf=data,
            )([x, mask])  # fmt: skip
            x, mask = pool(2, name=f"pool{number}")([x, mask])
        x = keras.layers.Flatten(name="flatten")(x)
        x = QDense(3, name="dense1", iq_conf=dense)(x)
    return keras.Model(x_in, x)


def record(stem: str, seed: int, **options: Any) -> None:
    """Write one model and its answers."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = network(**options)
    for layer in model.layers:
        if hasattr(layer, "sparse_bias"):
            layer.sparse_bias.assign(rng.normal(0.3, 0.5, 2))
    if options["learned"]:
        model.get_layer("input_reduce").n_frac.assign(0.75)  # 4.5 pixels, rounded to 4
        model.get_layer("input_reduce").threshold_w.assign(0.25)
    x = rng.random((40, 8, 8, 1)) * (rng.random((40, 8, 8, 1)) < 0.12)
    x = x.astype(np.float32)
    model.save(FOLDER / f"{stem}.keras")
    y = np.asarray(keras.ops.convert_to_numpy(model(x)))
    assert np.ptp(y, axis=0).min() > 0.1, "another seed: these answers say nothing"
    origin = "scripts/record_sparse_pixels.py, sparsepixels 0.3.2"
    np.savez_compressed(FOLDER / f"{stem}.npz", x=x, y=y, origin=np.array(origin))


if __name__ == "__main__":
    maximum, average = MaxPooling2DSparse, AveragePooling2DSparse
    record("fixed", 1, learned=False, pools=(maximum, average), activation="relu")
    record("learned", 5, learned=True, pools=(average, maximum), activation="relu")
    record("signed", 3, learned=False, pools=(maximum, maximum), activation="tanh")
