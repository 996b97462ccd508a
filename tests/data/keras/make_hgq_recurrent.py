"""Make the recurrent HGQ2 model of this folder and record what HGQ2 answers.

Run with HGQ2 0.2.0 on Keras 3 with PyTorch: `KERAS_BACKEND=torch python make_hgq_recurrent.py`.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np
from hgq.config import QuantizerConfig
from hgq.layers import QGRU, QSimpleRNN
from make_hgq import answer, inputs, randomize
from make_keras import pack


def recurrent():
    """Both layers, both reset conventions, sequences, a state's quantizer."""
    x = keras.Input((3, 2), name="x")
    saturating = QuantizerConfig("kif", place="datalane", overflow_mode="SAT")
    y = [
        QSimpleRNN(3, return_sequences=True, name="simple")(x),
        QSimpleRNN(2, activation="relu", use_bias=False, go_backwards=True, name="rectified")(x),
        QGRU(3, reset_after=True, name="after")(x),
        QGRU(2, reset_after=False, return_sequences=True, name="before")(x),
        QGRU(2, reset_after=True, use_bias=False, sq_conf=saturating, rhq_conf=saturating,
             name="saturating")(x),
    ]  # fmt: skip
    return keras.Model(x, y, name="hgq_recurrent")


if __name__ == "__main__":
    rng = np.random.default_rng(8)
    model = recurrent()
    randomize(model, rng)
    answer(model, model.name, {"x": inputs((3, 2), rng, 2)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{model.name}.keras"
        model.save(path)
        pack(path)
