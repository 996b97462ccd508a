"""Make the plain Keras models of this folder and record what Keras answers.

Run with Keras 3 (any backend; TensorFlow for `keras3_sequences` and `keras3_images`), or with
tf_keras (Keras 2) for `keras2_*`:

    KERAS_BACKEND=torch python make_keras.py keras
    python make_keras.py tf_keras
"""

import gzip
import importlib
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SAMPLES = 20


def sequential(keras):
    L = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,), name="x"),
            L.Dense(8, activation="relu", name="hidden"),
            L.BatchNormalization(name="norm"),
            L.Dropout(0.3, name="drop"),
            L.Dense(5, activation="tanh", use_bias=False, name="module"),
            L.GaussianNoise(0.1, name="noise"),
            L.Dense(3, name="scores"),
            L.Softmax(name="softmax"),
        ],
        name="tagger",
    )


def functional(keras):
    L = keras.layers
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = L.Dense(4, activation="relu", name="shared")
    x, y = shared(a), shared(b)
    merged = [
        L.Add(name="add")([x, y, a]),
        L.Subtract(name="subtract")([x, y]),
        L.Multiply(name="multiply")([x, b]),
        L.Minimum(name="minimum")([x, y]),
        L.Maximum(name="maximum")([x, y]),
        L.Average(name="average")([x, y, b]),
    ]
    z = L.Concatenate(name="concatenate")(merged)
    z = L.Reshape((-1, 4), name="reshape")(z)
    z = L.Permute((2, 1), name="permute")(z)
    z = L.Dense(2, name="dense_on_axes")(z)
    z = L.BatchNormalization(axis=1, scale=False, name="norm_axis_1")(z)
    nested = keras.Sequential(
        [L.Dense(3, activation="sigmoid", name="shared"), L.Dense(2)], name="nested"
    )
    start = keras.Input((2,), name="inner_input")
    inner = keras.Model(start, L.Dense(3, name="inner_dense")(start), name="inner")
    z = nested(z)
    out = L.Flatten(name="flatten")(z)
    side = inner(L.Dense(2, name="to_inner")(x))
    again = inner(L.Dense(2, name="to_inner_again")(y))
    return keras.Model([a, b], [out, side, again], name="graph")


FUNCTIONS = [
    "linear",
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "softmax",
    "elu",
    "selu",
    "exponential",
    "softplus",
    "softsign",
    "silu",
    "hard_sigmoid",
]
KERAS_3_FUNCTIONS = ["leaky_relu", "hard_tanh", "hard_silu"]


def activations(keras):
    L = keras.layers
    x = keras.Input((3, 4), name="x")
    names = [
        name for name in FUNCTIONS if keras.__name__ == "keras" or name not in ("relu6", "silu")
    ]
    names += KERAS_3_FUNCTIONS if keras.__name__ == "keras" else ["swish"]
    outputs = [L.Activation(name, name=f"f_{name}")(x) for name in names]
    slope = "negative_slope" if keras.__name__ == "keras" else "alpha"
    outputs += [
        L.ReLU(max_value=1.5, name="relu_clipped")(x),
        L.ReLU(negative_slope=0.25, max_value=2, name="relu_leaky")(x),
        L.LeakyReLU(name="leaky", **{slope: 0.1})(x),
        L.PReLU(alpha_initializer="random_uniform", name="prelu")(x),
        L.PReLU(alpha_initializer="random_uniform", shared_axes=[1], name="prelu_shared")(x),
        L.ELU(alpha=0.5, name="elu_half")(x),
        L.Softmax(axis=1, name="softmax_steps")(x),
        L.GlobalAveragePooling1D(name="pooled")(x),
    ]
    return keras.Model(x, outputs, name="activations")


def operators(keras):
    """What Keras 3 alone has: operators on tensors, einsum layers, rescaling."""
    L = keras.layers
    a, b = keras.Input((3, 4), name="a"), keras.Input((3, 4), name="b")
    s = a + b
    d = (s - a) * b
    e = L.EinsumDense(
        "abc,cd->abd", output_shape=(None, 5), bias_axes="d", activation="relu", name="e"
    )(d)
    f = L.EinsumDense("abc,bcde->aed", output_shape=(2, 6), bias_axes="d", name="f")(d)
    g = L.EinsumDense("...x,xy->...y", output_shape=7, name="g")(d)
    h = L.EinsumDense("abc,bd->adc", output_shape=(2, 4), bias_axes="dc", name="h")(d)
    r = L.Rescaling(0.125, offset=-1.0, name="r")(h)
    return keras.Model([a, b], [e, f, g, r], name="operators")


def sequences(keras):
    """Layers on (steps, channels)."""
    L = keras.layers
    x = keras.Input((9, 4), name="x")
    outputs = [
        L.Conv1D(3, 3, strides=2, padding="same", activation="relu", name="conv_same")(x),
        L.Conv1D(4, 2, padding="causal", dilation_rate=2, groups=2, name="conv_causal")(x),
        L.SeparableConv1D(3, 3, depth_multiplier=2, padding="same", name="separable")(x),
        L.DepthwiseConv1D(4, strides=2, padding="same", name="depthwise")(x),
        L.Conv1DTranspose(2, 3, strides=2, padding="same", name="up_same")(x),
        L.Conv1DTranspose(2, 2, strides=3, name="up_valid")(x),
        L.MaxPooling1D(3, strides=2, padding="same", name="largest")(x),
        L.AveragePooling1D(4, strides=3, padding="same", name="mean")(x),
        L.GlobalMaxPooling1D(name="largest_of_all")(x),
        L.ZeroPadding1D((1, 2), name="border")(x),
        L.Cropping1D((2, 1), name="cut")(x),
        L.UpSampling1D(2, name="repeated")(x),
    ]
    return keras.Model(x, outputs, name="sequences")


def images(keras):
    """Layers on (height, width, channels)."""
    L = keras.layers
    x = keras.Input((6, 7, 2), name="x")
    outputs = [
        L.Conv2D(3, (3, 2), strides=(2, 2), padding="same", name="conv_same")(x),
        L.Conv2D(2, 2, dilation_rate=(2, 3), use_bias=False, name="conv_dilated")(x),
        L.SeparableConv2D(3, 3, depth_multiplier=2, activation="relu", name="separable")(x),
        L.DepthwiseConv2D((3, 2), 2, padding="same", depth_multiplier=2, name="depthwise")(x),
        L.Conv2DTranspose(2, 3, strides=2, padding="same", name="up_same")(x),
        L.Conv2DTranspose(
            2, (4, 3), strides=(2, 3), padding="same", output_padding=(1, 2), name="up_more"
        )(x),
        L.Conv2DTranspose(2, (3, 1), strides=(1, 2), name="up_valid")(x),
        L.MaxPooling2D((3, 2), strides=(2, 3), padding="same", name="largest")(x),
        L.AveragePooling2D(3, strides=2, padding="same", name="mean")(x),
        L.GlobalAveragePooling2D(keepdims=True, name="mean_of_all")(x),
        L.GlobalMaxPooling2D(name="largest_of_all")(x),
        L.ZeroPadding2D(((1, 0), (0, 2)), name="border")(x),
        L.Cropping2D(((1, 2), (0, 1)), name="cut")(x),
        L.UpSampling2D((2, 3), name="repeated")(x),
        L.UpSampling2D((2, 4), interpolation="bilinear", name="bilinear")(x),
    ]
    return keras.Model(x, outputs, name="images")


def pack(path):
    """Put a model file here, small: members of the zip deflated, HDF5 files as .gz."""
    if path.suffix == ".h5":
        (HERE / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        return
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(HERE / path.name, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "metadata.json":  # the same files on every day
                content = json.dumps(json.loads(content) | {"date_saved": "2026-01-01@00:00:00"})
            new.writestr(zipfile.ZipInfo(info.filename), content, zipfile.ZIP_DEFLATED)


def record(keras, build, stem, samples):
    rng = np.random.default_rng(sum(map(ord, stem)))
    model = build(keras)
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)
        value = rng.normal(0, 0.5, tuple(weight.shape))
        weight.assign((np.abs(value) + 0.1 if "variance" in name else value).astype(np.float32))
    inputs = {}
    for tensor in model.inputs:
        inputs[tensor.name.split(":")[0]] = rng.normal(0, 2, (samples, *tensor.shape[1:])).astype(
            np.float32
        )
    answers = model.predict(list(inputs.values()), verbose=0)
    answers = answers if isinstance(answers, list) else [answers]
    recorded = {f"x_{name}": value for name, value in inputs.items()}
    recorded |= {f"y_{n}": np.asarray(value) for n, value in enumerate(answers)}
    np.savez_compressed(HERE / f"{stem}.npz", **recorded)
    for suffix in (".keras", ".h5"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stem}{suffix}"
            model.save(path)
            pack(path)


def main():
    keras = importlib.import_module(sys.argv[1])
    prefix = f"keras{keras.__version__.split('.')[0]}"
    builds = [sequential, functional, activations] + ([operators] if prefix == "keras3" else [])
    for build in builds:
        record(keras, build, f"{prefix}_{build.__name__}", SAMPLES)
    # These stand for what TensorFlow computes: Keras on PyTorch pads some of them otherwise.
    if keras.backend.backend() == "tensorflow":
        for build in (sequences, images):
            record(keras, build, f"{prefix}_{build.__name__}", 3)
    print(f"{keras.__name__} {keras.__version__}")


if __name__ == "__main__":
    main()
