"""Poolings and changes of size of channels-first tensors."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.frontends.recipes import pooling, resize
from gatewright.frontends.recipes.windows import Axis
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Operand, Value


def _images(call: Call, rank: int) -> tuple[Value, bool]:
    """Return the input as (channels, *spatial), and whether it has no channels.

    Without an axis of channels PyTorch takes the batch for one, which each keeps to itself.
    """
    x = call.plain("self")
    if x.batch == 0 and len(x.shape) == rank:
        return call.reshape(x, (1, *x.shape), "one_channel"), True
    if len(x.shape) != rank + 1:
        raise call.unsupported(
            f"{call.operator} has an input of another rank",
            found=str(x),
            supported=f"(batch, channels) and {rank} lengths",
        )
    return x, False


def _result(call: Call, own: Value, bare: bool) -> Value:
    """Return a result with channels last as PyTorch has it."""
    value = call.channels_first(own)
    return call.reshape(value, value.shape[1:], "no_channel") if bare else value


def _with_places(call: Call, result: Value) -> Operand:
    """Return a pooling's result, beside the places of its elements, which are not handled."""
    if call.used(1) and call.wanted is not None:
        raise call.unsupported(
            "the positions of a pooling's elements are used",
            supported="the elements alone: return_indices=False",
        )
    return (result, None)


def _axes(call: Call, x: Value) -> list[Axis]:
    spatial = len(x.shape) - 1
    kernel = _each(call.integers("kernel_size"), spatial)
    strides = _each(call.optional_integers("stride") or kernel, spatial)
    padding = _each(call.integers("padding"), spatial)
    dilation = _each(call.integers("dilation"), spatial) if call.has("dilation") else (1,) * spatial
    ceil = call.flag("ceil_mode")
    return [
        Axis(n, k, s, d, p, p, ceil)
        for n, k, s, d, p in zip(x.shape[1:], kernel, strides, dilation, padding, strict=True)
    ]


def _each(numbers: tuple[int, ...], spatial: int) -> tuple[int, ...]:
    return numbers * spatial if len(numbers) == 1 else numbers


def max_pool(call: Call) -> Operand:
    """Return the largest element of each window."""
    x, bare = _images(call, 1 if "pool1d" in call.operator else 2)
    own = pooling.max_pool(call, call.channels_last(x), _axes(call, x))
    result = _result(call, own, bare)
    return _with_places(call, result) if "with_indices" in call.operator else result


def average_pool(call: Call) -> Operand:
    """Return the mean of each window."""
    x, bare = _images(call, 1 if "pool1d" in call.operator else 2)
    divisor = call.optional_number("divisor_override") if call.has("divisor_override") else None
    own = pooling.average_pool(
        call, call.channels_last(x), _axes(call, x), count_padding=call.flag("count_include_pad"),
        divisor=None if divisor is None else int(divisor),
    )  # fmt: skip
    return _result(call, own, bare)


def adaptive(kind: str) -> Callable[[Call], Operand]:
    """Return a handler of a pooling to a given size."""

    def handler(call: Call) -> Operand:
        rank = 1 if "pool1d" in call.operator else 2
        x, bare = _images(call, rank)
        call.ignore("output_size")
        own = pooling.adaptive_pool(call, call.channels_last(x), call.shapes[0][-rank:], kind)
        result = _result(call, own, bare)
        return _with_places(call, result) if kind == "max" else result

    return handler


def upsample(kind: str) -> Callable[[Call], Operand]:
    """Return a handler of a change of size."""

    def handler(call: Call) -> Operand:
        x = call.plain("self" if call.has("self") else "input")
        corners = call.has("align_corners") and call.flag("align_corners")
        scales = _scales(call, len(x.shape) - 1)
        sizes = call.shapes[0][2:]
        value = call.channels_last(x)
        for axis, (length, size) in enumerate(zip(x.shape[1:], sizes, strict=True)):
            scale = scales[axis]
            if kind == "nearest":
                matrix = resize.pick(
                    resize.nearest(length, size, "asymmetric", "floor", scale), length
                )
            else:
                # PyTorch computes positions, up to the length, in the precision of the data.
                call.builder.roundings = max(call.builder.roundings, 1.0 + 2 * length)
                rule = "align_corners" if corners else "half_pixel"
                if kind == "linear":
                    matrix = resize.linear(length, size, rule, scale)
                else:
                    matrix = resize.cubic(length, size, rule, -0.75, scale)
            value = resize.along(call, value, axis, matrix)
        return call.channels_first(value)

    return handler


def _scales(call: Call, spatial: int) -> list[float | None]:
    """Return new by old lengths where they were given: PyTorch counts positions by them."""
    call.ignore("output_size")
    if call.has("scale_factors"):
        found = call.operand("scale_factors")
        return [None] * spatial if found is None else [float(f) for f in found]
    names = ("scales",) if spatial == 1 else ("scales_d", "scales_h", "scales_w")[-spatial:]
    return [call.optional_number(n) if call.has(n) else None for n in names]


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_adaptive_avg_pool2d": adaptive("average"),
    "adaptive_avg_pool1d": adaptive("average"),
    "adaptive_avg_pool2d": adaptive("average"),
    "adaptive_max_pool1d": adaptive("max"),
    "adaptive_max_pool2d": adaptive("max"),
    "avg_pool1d": average_pool,
    "avg_pool2d": average_pool,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "max_pool2d_with_indices": max_pool,
    "upsample_bicubic2d": upsample("cubic"),
    "upsample_bilinear2d": upsample("linear"),
    "upsample_linear1d": upsample("linear"),
    "upsample_nearest1d": upsample("nearest"),
    "upsample_nearest2d": upsample("nearest"),
}
