"""Record what the quantized models of fastmachinelearning/l1-jet-id answer, by QKeras itself.

Needs an environment with tensorflow and qkeras-v3 (or QKeras 0.9 with tf-keras), which Gatewright
neither needs nor lives with:

    KERAS_BACKEND=tensorflow python scripts/record_l1_jet_id.py MODELS DATA OUT.npz

MODELS holds `jets_qdeepsets_8const_8bit.h5` and `jets_qIN_8const_8bit.h5`; DATA is an .npz with
`x8` (jets, 8, 3): pT, eta, phi of the hardest constituents, and `y`, the class. Inputs are divided
by (219, 0.2, 0.2), as the authors trained (train_InteractionNetwork/train_kfold_single.py), and
rounded to steps of 2**-12, so that float32 holds them and every product in the models exactly.
"""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path

import keras
import numpy as np
from qkeras.utils import load_qmodel

RANGES = (219.0, 0.2, 0.2)
JETS = 256
LAST = {
    "jets_qdeepsets_8const_8bit.h5": ("q_activation_4", "dense"),
    "jets_qIN_8const_8bit.h5": ("qrelu_g1", "dense_g2"),
}
"""The last layer with a quantizer behind it, and the layer before the softmax."""


class NodeEdgeProjection(keras.layers.Layer):
    """Multiply by the 0/1 matrix between nodes and edges, as the issue of the models defines it."""

    def __init__(self, receiving: bool, node_to_edge: bool, **options: object) -> None:
        super().__init__(**options)
        self.receiving, self.node_to_edge = receiving, node_to_edge

    def build(self, shape: tuple) -> None:
        """Make the matrix, which the file's weights then replace."""
        count = shape[-2]
        nodes = count if self.node_to_edge else round((np.sqrt(4 * count + 1) + 1) / 2)
        pairs = np.asarray(list(permutations(range(nodes), 2)))
        ends = pairs[:, 0 if self.receiving else 1]
        matrix = (ends[:, None] == np.arange(nodes)).astype(np.float32)
        matrix = matrix if self.node_to_edge else matrix.T
        self.matrix = self.add_weight(
            name="adjacency_matrix", shape=(1, *matrix.shape), trainable=False
        )
        self.matrix.assign(matrix[None])

    def call(self, x: object) -> object:
        """Multiply."""
        return keras.ops.matmul(self.matrix, x)


def main(models: Path, data: Path, out: Path) -> None:
    """Run both models on the first jets and write inputs, answers and origin."""
    given = np.load(data)
    codes = np.rint(given["x8"] / np.asarray(RANGES) * 2**12)
    assert np.abs(codes).max() < 2**15
    x = codes.astype(np.float32) / 2**12
    found = {"x": codes[:JETS].astype(np.int16), "y": given["y"]}
    for name, (activation, logits) in LAST.items():
        objects = {"NodeEdgeProjection": NodeEdgeProjection}
        model = load_qmodel(str(models / name), custom_objects=objects, compile=False)
        ends = [model.get_layer(layer).output for layer in (activation, logits)]
        answers = keras.Model(model.inputs, ends).predict(x, verbose=0, batch_size=500)
        stem = "deepsets" if "deepsets" in name else "interaction"
        found[f"{stem}_activation"] = answers[0][:JETS]
        found[f"{stem}_logits"] = answers[1][:JETS]
        found[f"{stem}_class"] = answers[1].argmax(1).astype(np.int8)
        print(name, "accuracy on all jets:", (answers[1].argmax(1) == given["y"]).mean())
    found["origin"] = np.asarray(
        "jets: lhc_jets_constituents_3000 (fastmachinelearning/l1-jet-id, Apache-2.0), divided by "
        "(219, 0.2, 0.2), times 2**12; answers: the models of the same repository, run by "
        f"Keras {keras.__version__} with qkeras-v3 on TensorFlow"
    )
    np.savez_compressed(out, **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
