"""Make `hgq_attention.keras` and `hgq_tables.keras`, and record what HGQ2 answers.

Run with HGQ2 on Keras 3 with PyTorch (recorded with HGQ2 0.2.0, Keras 3.15.1):

    KERAS_BACKEND=torch python make_hgq_attention.py [LINFORMER.keras MULTI_HEAD.keras]

With the paths of the two public particle transformers it records these too. They were written by a
version up to 0.1.8, whose attention quantizes the input of its softmax; later ones drop that
quantizer when they read the file. Record them with HGQ2 0.1.6: the script refuses a later one.
"""

import sys
import tempfile
from pathlib import Path

import hgq.layers as Q
import keras
import numpy as np
from hgq.config import QuantizerConfigScope
from make_hgq import answer, inputs, randomize
from make_keras import pack


def attention():
    """Attention of every kind."""
    a, b = keras.Input((4, 6), name="a"), keras.Input((3, 6), name="b")
    c = keras.Input((2, 3, 4), name="c")
    with QuantizerConfigScope(overflow_mode="SAT"):
        outputs = [
            Q.QMultiHeadAttention(2, 4, name="plain")(a, a),
            Q.QMultiHeadAttention(1, 4, 3, use_bias=False, output_shape=5, name="dims")(a, b),
            Q.QMultiHeadAttention(2, 4, fuse="qkv", name="fused")(a, a),
            Q.QMultiHeadAttention(2, 4, fuse="kv", name="fused_kv")(a, b, b),
            Q.QMultiHeadAttention(2, 3, name="causal")(a, a, use_causal_mask=True),
            Q.QMultiHeadAttention(2, 4, attention_axes=(1, 2), name="axes")(c, c),
            Q.QLinformerAttention(2, 2, 4, name="linformer")(a, b),
            Q.QLinformerAttention(1, (2,), 4, share_kv_proj=True, name="shared")(a, a),
        ]  # fmt: skip
    return keras.Model([a, b, c], outputs, name="attention")


def tables():
    """Softmax, functions of one number, products and sums of activations."""
    a, b = keras.Input((4, 6), name="a"), keras.Input((4, 6), name="b")
    with QuantizerConfigScope(overflow_mode="SAT"):
        outputs = [
            Q.QSoftmax(name="softmax", enable_oq=True)(a),
            Q.QSoftmax(axis=(1, 2), name="both", enable_iq=True, input_scaler=0.3)(a),
            Q.QSoftmax(axis=1, stable=False, enable_iq=True, name="unstable")(b),
            Q.QSoftmax(allow_heterogeneous_table=True, name="each", enable_iq=True)(a),
        ]
        for name in ("tanh", "sigmoid", "exponential", "relu"):
            outputs.append(Q.QUnaryFunctionLUT(name, name=f"lut_{name}")(a))
        outputs.append(
            Q.QUnaryFunctionLUT("tanh", allow_heterogeneous_table=False,
                                allow_heterogeneous_input=False, name="lut_one")(b)
        )  # fmt: skip
    outputs += [
        Q.QEinsum("bij,bkj->bik", name="einsum")([a, b]),
        Q.QEinsum("b...i,b...i->b...", name="dots")([a, b]),
        Q.QDot(axes=(1, 1), name="dot")([a, b]),
        Q.QDot(name="dot_last", enable_oq=True)([a, b]),
        Q.QSum(axes=(1, 2), scale=0.5, name="sum")(a),
        Q.QSum(axes=1, keepdims=True, name="sum_kept")(a),
        Q.QMeanPow2(axes=(1, 2), name="mean")(a),
    ]
    return keras.Model([a, b], outputs, name="tables")


def main():
    for build in (attention, tables):
        stem = f"hgq_{build.__name__}"
        rng = np.random.default_rng(sum(map(ord, stem)))
        model = build()
        randomize(model, rng)
        answer(model, stem, {t.name: inputs(tuple(t.shape[1:]), rng, 1) for t in model.inputs})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stem}.keras"
            model.save(path)
            pack(path)
    for stem, path in zip(("linformer", "mha"), sys.argv[1:], strict=False):
        model = keras.models.load_model(path, compile=False)
        (layer,) = (layer for layer in model.layers if layer.name == "mha1")
        assert layer._softmax.enable_iq, "this HGQ2 drops a quantizer that the file has"
        x = np.random.default_rng(12).normal(0, 1, (400, 8, 3))
        x[:200] = np.round(x[:200] * 256) / 256
        answer(model, f"{stem}_answers", {"input_layer": x.astype(np.float32)})


if __name__ == "__main__":
    main()
