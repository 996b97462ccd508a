"""Make the recurrent QKeras models of this folder and record what QKeras answers.

Run with qkeras-v3 (Keras 3, TensorFlow): `python make_qkeras_recurrent.py`.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np
from make_keras import HERE, pack
from qkeras import quantized_bits, quantized_tanh
from qkeras.qrecurrent import QGRU, QLSTM, QBidirectional, QSimpleRNN

SAMPLES = 60


def quantizers(bits=5, **more):
    """Return quantizers for all weights and states."""
    return {
        "kernel_quantizer": quantized_bits(bits, 0, alpha=1),
        "recurrent_quantizer": quantized_bits(4, 0, alpha=1),
        "bias_quantizer": quantized_bits(5, 1, alpha=1),
        "state_quantizer": quantized_bits(6, 1, alpha=1),
        **more,
    }


def states():
    """All kinds of layers, sequences, directions and both reset conventions."""
    x = keras.Input((3, 2), name="x")
    tanh = "quantized_tanh(5)"
    y = [
        QSimpleRNN(3, activation=tanh, return_sequences=True, **quantizers())(x),
        QLSTM(3, activation=tanh, recurrent_activation="quantized_sigmoid(4)", **quantizers())(x),
        QLSTM(2, activation=quantized_tanh(6), go_backwards=True, **quantizers())(x),
        QGRU(3, activation=tanh, reset_after=True, **quantizers())(x),
        QGRU(3, activation="quantized_relu(4,1)", reset_after=False, return_sequences=True,
             recurrent_activation="quantized_sigmoid(4)", **quantizers())(x),
        QBidirectional(QGRU(2, activation=tanh, reset_after=True, **quantizers()))(x),
        QBidirectional(
            QLSTM(2, activation=tanh, return_sequences=True, **quantizers()), merge_mode="sum"
        )(x),
    ]  # fmt: skip
    return keras.Model(x, y, name="qkeras_recurrent")


def scales():
    """Weights whose scales are found from the weights: alpha None means auto_po2."""
    x = keras.Input((3, 2), name="x")
    found = quantizers(
        kernel_quantizer=quantized_bits(4, 0), recurrent_quantizer=quantized_bits(4, 0)
    )
    y = [
        QLSTM(2, activation="quantized_tanh(5)", **found)(x),
        QSimpleRNN(2, activation="hard_tanh", use_bias=False, **found)(x),
    ]
    return keras.Model(x, y, name="qkeras_recurrent_scales")


if __name__ == "__main__":
    for make in (states, scales):
        keras.utils.set_random_seed(5)
        rng = np.random.default_rng(5)
        model = make()
        model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
        x = np.round(rng.normal(0, 1, (SAMPLES, 3, 2)) * 16) / 16
        found = model.predict(x.astype(np.float32), verbose=0)
        kept = {f"y_{n}": y for n, y in enumerate(found)}
        np.savez_compressed(HERE / f"{model.name}.npz", x_x=x.astype(np.float32), **kept)
        for suffix in (".keras", ".h5"):
            with tempfile.TemporaryDirectory() as folder:
                model.save(Path(folder) / f"{model.name}{suffix}")
                pack(Path(folder) / f"{model.name}{suffix}")
