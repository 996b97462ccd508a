"""Make the HGQ2 models of this folder, and record what HGQ2 answers.

Run with HGQ2 on Keras 3 with PyTorch (recorded with HGQ2 0.2.0, Keras 3.15.1):

    KERAS_BACKEND=torch python make_hgq.py [TAGGER_A.keras TAGGER_B.keras]

With the paths of the two public jet taggers it records these too.
"""

import sys
import tempfile
from pathlib import Path

import hgq.layers as Q
import keras
import numpy as np
from hgq.config import QuantizerConfig, QuantizerConfigScope
from hgq.quantizer.config import HardSigmoidConfig, HardTanhConfig
from make_keras import HERE, pack

SAMPLES = 24
ROUNDINGS = ["RND", "RND_CONV", "TRN", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF", "S_RND"]
OVERFLOWS = ["WRAP", "SAT", "SAT_SYM"]


def data():
    """Standalone quantizers of every mode, with a width for each element."""
    x = keras.Input((3, 4), name="x")
    outputs = []
    for n, rounding in enumerate(ROUNDINGS):
        for overflow in OVERFLOWS:
            for q_type in ("kif", "kbi"):
                axes = {"homogeneous_axis": (0,)} if n % 2 else {"heterogeneous_axis": (2,)}
                name = f"q_{rounding}_{overflow}_{q_type}".lower()
                conf = QuantizerConfig(q_type, round_mode=rounding, overflow_mode=overflow, **axes)
                outputs.append(Q.Quantizer(conf, name=name)(x))
    outputs.append(Q.Quantizer(HardTanhConfig(), name="hard_tanh")(x))
    outputs.append(Q.Quantizer(HardSigmoidConfig(), name="hard_sigmoid")(x))
    conf = QuantizerConfig("kif", scaler=4.0, affine=(0.5, -1.25))
    outputs.append(Q.Quantizer(conf, name="scaler")(x))
    outputs.append(Q.Quantizer(QuantizerConfig("dummy"), name="dummy")(x))
    return keras.Model(x, outputs, name="data")


def weights():
    """Kernels of every mode, also those whose wrapping quantizers do not wrap."""
    x = keras.Input((5,), name="x")
    outputs = []
    for n, rounding in enumerate(ROUNDINGS):
        for overflow in OVERFLOWS:
            for q_type in ("kif", "kbi") if overflow == "WRAP" else (("kif", "kbi")[n % 2],):
                for trainable in (True, False) if overflow == "WRAP" else (True,):
                    conf = QuantizerConfig(
                        q_type, "weight", round_mode=rounding, overflow_mode=overflow,
                        trainable=trainable,
                    )  # fmt: skip
                    name = (
                        f"w_{rounding}_{overflow}_{q_type}{'' if trainable else '_frozen'}".lower()
                    )
                    layer = Q.QDense(3, kq_conf=conf, use_bias=False, enable_iq=False, name=name)
                    outputs.append(layer(x))
    return keras.Model(x, outputs, name="weights")


def layers():
    """Every layer that is handled."""
    a, b = keras.Input((3, 4), name="a"), keras.Input((3, 4), name="b")
    with QuantizerConfigScope(default_q_type="kbi"):
        x = Q.QDense(4, activation="relu", name="dense")(a)
    y = Q.QEinsumDense("abc,cd->abd", (3, 4), bias_axes="d", name="einsum", enable_oq=True)(b)
    merged = [
        Q.QAdd(name="add")([x, y]),
        Q.QSubtract(name="subtract")([x, y]),
        Q.QMultiply(name="multiply")([x, y]),
        Q.QMaximum(name="maximum")([x, y]),
        Q.QMinimum(name="minimum", enable_oq=True)([x, y]),
        Q.QAveragePow2(name="average")([x, y, b]),
        Q.QAdd(name="plain_add", enable_iq=False, enable_ebops=False)([x, y]),
    ]
    z = keras.layers.Concatenate(name="concatenate")(merged)
    z = Q.QBatchNormalization(name="norm", enable_oq=True)(z)
    z = Q.QEinsumDenseBatchnorm(
        "abc,cd->abd", (3, 5), bias_axes="d", activation="relu", name="fused"
    )(z)
    z = keras.layers.Flatten(name="flatten")(z)
    z = Q.QBatchNormDense(4, name="fused_dense")(z)
    return keras.Model([a, b], z, name="layers")


def windows():
    """Convolutions and poolings, with a width for each channel and for each element."""
    x, s = keras.Input((6, 5, 2), name="x"), keras.Input((8, 3), name="s")
    each = QuantizerConfig("kif", "datalane", heterogeneous_axis=(1, 2, 3), overflow_mode="SAT")
    steps = QuantizerConfig("kbi", "datalane", heterogeneous_axis=(2,))
    a = Q.QConv2D(3, 3, padding="same", activation="relu", name="conv", iq_conf=each)(x)
    b = Q.QConv2D(4, (2, 1), strides=(2, 1), groups=2, name="groups", enable_oq=True)(x)
    c = Q.QConv1D(4, 3, padding="causal", dilation_rate=2, name="causal", iq_conf=steps)(s)
    outputs = [
        b,
        Q.QMaxPooling2D(2, name="largest")(a),
        Q.QAveragePooling2D((3, 1), name="thirds", enable_oq=True)(a),
        Q.QAveragePooling1D(2, name="halves", iq_conf=steps)(c),
        Q.QMaxPooling1D(3, 2, padding="same", name="largest_steps")(c),
        Q.QGlobalAveragePooling1D(name="mean", iq_conf=steps)(c),
        Q.QGlobalMaxPooling2D(name="largest_of_all", keepdims=True)(a),
        Q.QGlobalAveragePooling2D(name="mean_of_all", enable_oq=True)(b),
        Q.QGlobalMaxPooling1D(name="largest_step", enable_iq=False, enable_ebops=False)(c),
    ]
    return keras.Model([x, s], outputs, name="windows")


def randomize(model, rng):
    """Give weights random values, and quantizers widths of their own for each element."""
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name
        if name in ("beta", "ebops", "i_decay_speed") and not shape:
            continue
        if name == "k":
            value = rng.integers(0, 2, shape)
        elif name in ("i", "f", "b"):
            value = rng.uniform(-2, 2, shape) + {"i": 0, "f": 2, "b": 3}[name]
            value = np.maximum(value, 0) if name == "b" else value
        elif "variance" in name:
            value = rng.uniform(0.2, 2, shape)
        else:
            value = rng.normal(0, 1, shape)
        weight.assign(value)


def inputs(shape, rng, every):
    """Random numbers, one in `every` on a grid, where float32 sums are exact and ties occur."""
    x = rng.normal(0, 2, (SAMPLES, *shape))
    x[::every] = np.round(x[::every] * 32) / 32
    return x.astype(np.float32)


def answer(model, stem, xs):
    y = model.predict(list(xs.values()), verbose=0)
    y = y if isinstance(y, list) else [y]
    recorded = {f"x_{name}": x for name, x in xs.items()} | {f"y_{n}": v for n, v in enumerate(y)}
    np.savez_compressed(HERE / f"{stem}.npz", **recorded)


def main():
    for build in (data, weights, layers, windows):
        stem = f"hgq_{build.__name__}"
        rng = np.random.default_rng(sum(map(ord, stem)))
        model = build()
        randomize(model, rng)
        every = 1 if build is weights else 2  # without input quantizers only a grid is exact
        answer(model, stem, {t.name: inputs(tuple(t.shape[1:]), rng, every) for t in model.inputs})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stem}.keras"
            model.save(path)
            pack(path)
    for letter, path in zip("ab", sys.argv[1:], strict=False):
        model = keras.models.load_model(path, compile=False)
        rng = np.random.default_rng(11)
        x = rng.normal(0, 2, (320, 16))
        x[:200] = np.round(x[:200] * 1024) / 1024  # inputs of the benchmark are ap_fixed<16,6>
        answer(model, f"tagger_{letter}_answers", {"input_layer": x.astype(np.float32)})


if __name__ == "__main__":
    main()
