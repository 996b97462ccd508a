"""Convolutions and poolings of ONNX, whose tensors have channels in front: (batch, C, *spatial).

Each works on channels last, between two transposes: wiring, which `settle_layout` moves out of the
way. Rules read from the operators' specifications (ONNX 1.17 to 1.21) and held against
onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.linear import is_power_of_two
from gatewright.frontends.onnx.operand import Const, Operand, Value
from gatewright.frontends.recipes.convolution import convolution, transposed_convolution
from gatewright.frontends.recipes.pooling import average_pool, global_pool, max_pool
from gatewright.frontends.recipes.windows import Axis, Pairs, same_padding
from gatewright.ir import Reals
from gatewright.ops import Affine, Reshape, Transpose


def spatial(call: Call, i: int = 0) -> tuple[Value, tuple[int, ...]]:
    """Return an operand and the lengths of its spatial axes."""
    x = call.value(i, "X")
    if x.rank < 3:
        raise call.unsupported(
            f"{call.node.op_type} of a tensor without spatial axes",
            found=f"(batch, {', '.join(map(str, x.shape))})",
            supported="(batch, channels, length, ...)",
        )
    return x, x.shape[1:]


def channels_last(call: Call, x: Value, build: Callable[[Value], Value]) -> Value:
    """Run `build` on a tensor with channels last, and bring them to the front again."""
    rank = len(x.shape) - 1
    turned = call.emit(Transpose((*range(1, rank + 1), 0)), x, suffix="channels_last")
    return call.emit(Transpose((rank, *range(rank))), build(turned), suffix="channels_first")


def numbers(call: Call, name: str, rank: int, default: int = 1) -> tuple[int, ...]:
    """Return an attribute with a whole number, from `default`, for each spatial axis."""
    found = call.attributes.integers(name)
    if found is None or found == ():
        return (default,) * rank
    if len(found) != rank or min(found) < default:
        raise call.unsupported(
            f"the attribute {name} does not fit",
            found=found,
            supported=f"{rank} numbers from {default}",
        )
    return found


def explicit_pads(call: Call, rank: int) -> Pairs:
    """Return the attribute `pads`: all that stand before, then all that stand behind."""
    found = call.attributes.integers("pads") or (0,) * (2 * rank)
    if len(found) != 2 * rank or min(found) < 0:
        raise call.unsupported(
            "the attribute pads does not fit", found=found, supported=f"{2 * rank} numbers from 0"
        )
    return tuple(zip(found[:rank], found[rank:], strict=True))


def auto_pad(call: Call) -> str:
    """Return how padding is given."""
    name = call.attributes.text("auto_pad", "NOTSET")
    if name not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        raise call.unsupported(
            "an auto_pad is not known",
            found=name,
            supported="NOTSET, SAME_UPPER, SAME_LOWER, VALID",
        )
    return name


def padding(
    call: Call,
    lengths: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pairs:
    """Return the padding (before, after) along each spatial axis."""
    name = auto_pad(call)
    given = explicit_pads(call, len(lengths))
    if name == "NOTSET":
        return given
    if name == "VALID":
        return ((0, 0),) * len(lengths)
    return same_padding(lengths, kernel, strides, dilation, lower=name == "SAME_LOWER")


def _kernel(call: Call, rank: int) -> Const:
    """Return the constant weights, whose shape `kernel_shape` must repeat."""
    const = call.const(1, "W")
    shape = const.shape
    if len(shape) != rank + 2 or 0 in shape:
        raise call.unsupported(
            "a convolution's weights do not fit its input",
            found=f"weights of shape {shape} for {rank} spatial axes",
            supported="a filter axis, a channel axis, and the input's spatial axes",
        )
    given = call.attributes.integers("kernel_shape")
    if given is not None and given != shape[2:]:
        raise call.unsupported("kernel_shape is not that of the weights", found=f"{given}, {shape}")
    return const


def _scaled(
    call: Call, const: Const, axis: int, move: Callable[[Reals], Reals], filters: int
) -> tuple[Reals, Reals | None]:
    """Return the moved kernel, and a factor for each filter where codes times it are the weights.

    Raises:
        UnsupportedError: the scale changes within one sum.
    """
    if const.scale is None or is_power_of_two(const.scale):
        return move(const.reals()), None
    scale = np.moveaxis(np.broadcast_to(const.scale, const.shape), axis, 0)
    flat = scale.reshape(scale.shape[0], -1)
    if (flat != flat[:, :1]).any() or flat.shape[0] not in (1, filters):
        raise call.unsupported(
            "the scale of quantized weights changes along the inputs of a product",
            found=f"scales {np.unique(flat)[:4]} in one sum",
            supported="one scale for the tensor, or one for each output channel",
            remedy="quantize the weights per output channel",
        )
    codes = move(np.asarray(const.array, np.float64))
    return codes, np.asarray(np.broadcast_to(flat[:, 0], (filters,)), np.float64)


def _bias(call: Call, i: int, filters: int) -> Reals | None:
    const = call.optional_const(i, "B")
    if const is None:
        return None
    bias = const.reals()
    if bias.shape != (filters,):
        raise call.unsupported("a bias does not fit", found=bias.shape, supported=f"({filters},)")
    return bias


def _finish(
    call: Call, x: Value, scale: Reals | None, bias: Reals | None, build: Callable[..., Value]
) -> Value:
    """Convolve with the weights, or with their codes and scale the result."""

    def one(value: Value) -> Value:
        if scale is None:
            return build(value, bias)
        offset = np.zeros(len(scale)) if bias is None else bias
        return call.emit(Affine(scale, offset), build(value, None), suffix="scale")

    return channels_last(call, x, one)


def conv(call: Call) -> Operand:
    """Return a convolution with constant weights (filters, channels / group, *kernel)."""
    x, lengths = spatial(call)
    rank = len(lengths)
    const = _kernel(call, rank)
    filters, sizes = const.shape[0], const.shape[2:]
    strides, dilation = numbers(call, "strides", rank), numbers(call, "dilations", rank)
    pads = padding(call, lengths, sizes, strides, dilation)
    group = call.attributes.integer("group", 1)
    kernel, scale = _scaled(call, const, 0, lambda w: np.moveaxis(w, (0, 1), (-1, -2)), filters)
    bias = _bias(call, 2, filters)
    return _finish(
        call, x, scale, bias,
        lambda value, b: convolution(
            call, value, kernel, b, strides=strides, dilation=dilation, padding=pads, groups=group
        ),
    )  # fmt: skip


def conv_transpose(call: Call) -> Operand:
    """Return a transposed convolution with weights (channels, filters / group, *kernel)."""
    x, lengths = spatial(call)
    rank = len(lengths)
    const = _kernel(call, rank)
    group = call.attributes.integer("group", 1)
    if group < 1 or const.shape[0] % group:
        raise call.unsupported("channels are no multiple of the groups", found=(const.shape, group))
    filters, sizes = const.shape[1] * group, const.shape[2:]
    strides, dilation = numbers(call, "strides", rank), numbers(call, "dilations", rank)
    crop = _crop(call, lengths, sizes, strides, dilation)

    def moved(w: Reals) -> Reals:
        """Put filters of all groups side by side: (*kernel, channels / group, filters)."""
        by_group = np.concatenate(np.split(np.broadcast_to(w, const.shape), group), 1)
        return np.moveaxis(by_group, (0, 1), (-2, -1))

    scales = const
    if const.scale is not None and group > 1:
        wide = Const(moved(const.array), moved(np.broadcast_to(const.scale, const.shape)))
        kernel, scale = _scaled(call, wide, -1, lambda w: w, filters)
    else:
        kernel, scale = _scaled(call, scales, 1, moved, filters)
    bias = _bias(call, 2, filters)
    return _finish(
        call, x, scale, bias,
        lambda value, b: transposed_convolution(
            call, value, kernel, b, strides=strides, dilation=dilation, crop=crop, groups=group
        ),
    )  # fmt: skip


def _crop(
    call: Call,
    lengths: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pairs:
    """Return what is taken off the whole result; `output_shape` and SAME say it by the length."""
    rank = len(lengths)
    name, given = auto_pad(call), explicit_pads(call, rank)
    extra = numbers(call, "output_padding", rank, 0)
    wanted = call.attributes.integers("output_shape")
    whole = [
        (n - 1) * s + (k - 1) * d + 1
        for n, k, s, d in zip(lengths, kernel, strides, dilation, strict=True)
    ]
    if wanted is not None:
        wanted = wanted[-rank:]
    elif name in ("SAME_UPPER", "SAME_LOWER"):
        wanted = tuple(n * s for n, s in zip(lengths, strides, strict=True))
    elif name == "VALID":
        given = ((0, 0),) * rank
    if wanted is None:
        return tuple((b, a - e) for (b, a), e in zip(given, extra, strict=True))
    cuts = []
    for length, n, e in zip(wanted, whole, extra, strict=True):
        total = max(n + e - length, 0)
        before = total // 2 if name == "SAME_UPPER" else total - total // 2
        cuts.append((before, n - length - before))
    return tuple(cuts)


def _axes(call: Call, lengths: tuple[int, ...]) -> list[Axis]:
    """Return the windows of a pooling."""
    rank = len(lengths)
    kernel = call.attributes.integers("kernel_shape")
    if kernel is None or len(kernel) != rank or min(kernel) < 1:
        raise call.unsupported(
            "kernel_shape does not fit", found=kernel, supported=f"{rank} numbers from 1"
        )
    strides, dilation = numbers(call, "strides", rank), numbers(call, "dilations", rank)
    pads = padding(call, lengths, kernel, strides, dilation)
    ceil = call.attributes.flag("ceil_mode", False)
    return [
        Axis(n, k, s, d, before, after, ceil)
        for n, k, s, d, (before, after) in zip(
            lengths, kernel, strides, dilation, pads, strict=True
        )
    ]


def max_pool_(call: Call) -> Operand:
    """Return the largest element of each window."""
    x, lengths = spatial(call)
    call.attributes.ignore("storage_order")  # of the indices, the second result
    axes = _axes(call, lengths)
    return channels_last(call, x, lambda value: max_pool(call, value, axes))


def average_pool_(call: Call) -> Operand:
    """Return the mean of each window, which counts padding where `count_include_pad` says so."""
    x, lengths = spatial(call)
    axes = _axes(call, lengths)
    count = call.attributes.flag("count_include_pad", False)
    return channels_last(
        call, x, lambda value: average_pool(call, value, axes, count_padding=count)
    )


def global_pool_(kind: str) -> Callable[[Call], Operand]:
    """Return a reader of the pooling of each channel, "max" or "average"."""

    def build(call: Call) -> Operand:
        x, lengths = spatial(call)
        rank = len(lengths)
        turned = call.emit(Transpose((*range(1, rank + 1), 0)), x, suffix="channels_last")
        value = global_pool(call, turned, kind)
        return call.emit(Reshape((x.shape[0], *(1,) * rank)), value)

    return build
