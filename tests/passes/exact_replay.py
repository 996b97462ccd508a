"""Run a graph of real numbers in fractions: slow, plain, and written apart from the pass."""

from fractions import Fraction

import numpy as np

from gatewright import ops
from gatewright.num import Overflow, limits
from gatewright.ops.scaled_quantize import round_fraction


def fractions(array):
    array = np.asarray(array, np.float64)
    out = np.empty(array.shape, object)
    for index, value in np.ndenumerate(array):
        out[index] = Fraction(float(value))
    return out


def _each(function, x, *arrays):
    out = np.empty(x.shape, object)
    spread = [np.broadcast_to(np.asarray(a), x.shape[1:]) for a in arrays]
    for index in np.ndindex(x.shape):
        out[index] = function(x[index], *(a[index[1:]] for a in spread))
    return out


def _scaled(op):
    def one(x, scale, zero_point):
        scale, zero_point = Fraction(float(scale)), int(zero_point)
        return (op.code_of(x, scale, zero_point) - (0 if op.bipolar else zero_point)) * scale

    return one


def _fixed(op):
    def one(x, signed, width, frac):
        low, high = limits(np.asarray(signed), np.asarray(width), op.overflow)
        unit = Fraction(2) ** -int(frac)
        return min(max(round_fraction(x / unit, op.rounding), int(low)), int(high)) * unit

    assert op.overflow in (Overflow.SAT, Overflow.SAT_SYM)
    return one


def _clip(op, x):
    if op.low is not None:
        x = np.maximum(x, Fraction(op.low))
    return x if op.high is None else np.minimum(x, Fraction(op.high))


def _extreme(choose):
    def run(op, x):
        axes = tuple(a + 1 for a in op.axes)
        return choose(x, axis=axes, keepdims=op.keepdims)

    return run


def _pad(op, x):
    around = [(0, 0), *zip(op.before, op.after, strict=True)]
    return np.pad(x, around, constant_values=Fraction(op.value))


def _grouped(op, x):
    return (x[..., None, :] @ fractions(op.weight))[..., 0, :] + fractions(op.bias)


def _windows(op, x):
    where = op.move(np.arange(x[0].size).reshape(x.shape[1:]))
    return x.reshape(len(x), -1)[:, where]


RULES = {
    ops.Add: lambda op, a, b: a + b,
    ops.Affine: lambda op, x: x * fractions(op.scale) + fractions(op.offset),
    ops.Argmax: lambda op, x: np.argmax(x, axis=-1),
    ops.Clip: _clip,
    ops.Concatenate: lambda op, *x: np.concatenate(x, axis=op.axis + 1),
    ops.Constant: lambda op, x: np.broadcast_to(fractions(op.values), (len(x), *op.values.shape)),
    ops.DivideConstant: lambda op, x: x / fractions(op.divisor),
    ops.GroupedDense: _grouped,
    ops.Pad: _pad,
    ops.ReduceMax: _extreme(np.max),
    ops.ReduceMin: _extreme(np.min),
    ops.Sum: _extreme(np.sum),
    ops.Windows: _windows,
    ops.Dense: lambda op, x: x @ fractions(op.weight) + fractions(op.bias),
    ops.LeakyRelu: lambda op, x: np.where(x > 0, x, x * fractions(op.slope)),
    ops.Maximum: lambda op, a, b: np.maximum(a, b),
    ops.Minimum: lambda op, a, b: np.minimum(a, b),
    ops.Multiply: lambda op, a, b: a * b,
    ops.Quantize: lambda op, x: _each(_fixed(op), x, op.signed, op.width, op.frac),
    ops.Relu: _clip,
    ops.Reshape: lambda op, x: x.reshape(len(x), *op.shape),
    ops.ScaledQuantize: lambda op, x: _each(_scaled(op), x, op.scale, op.zero_point),
    ops.Slice: lambda op, x: x[(slice(None), *(slice(*part) for part in op.parts))],
    ops.Subtract: lambda op, a, b: a - b,
    ops.Transpose: lambda op, x: x.transpose(0, *(a + 1 for a in op.axes)),
}


def replay(graph, inputs):
    """Return every value of a graph, inputs given as fractions by name."""
    values = dict(inputs)
    for node in graph.nodes:
        values[node.name] = RULES[type(node.op)](node.op, *(values[name] for name in node.inputs))
    return values
