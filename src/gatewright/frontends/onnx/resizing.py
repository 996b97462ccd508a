"""Borders and changes of size of ONNX, on its own order of axes."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand, Value
from gatewright.frontends.recipes.resize import (
    COORDINATES,
    NEAREST,
    along,
    cubic,
    linear,
    nearest,
    pad,
    pick,
)
from gatewright.ir import Reals
from gatewright.ops import Reshape, Transpose

BORDERS = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "circular"}
"""ONNX's names of borders, and those of the recipes."""


def pad_(call: Call) -> Operand:
    """Put a border around a sample; the batch has none."""
    x = call.value(0, "data")
    mode = call.attributes.text("mode", "constant")
    if mode not in BORDERS:
        raise call.unsupported(
            "a mode of Pad is not known", found=mode, supported=", ".join(BORDERS)
        )
    if call.opset < 11:
        pads = call.attributes.integers("pads") or ()
        value, axes = call.attributes.number("value", 0.0), None
    else:
        pads = call.whole_numbers(1, "pads")
        value = 0.0 if call.optional(2) is None else call.scalar(2, "constant_value")
        axes = None if call.optional(3) is None else call.whole_numbers(3, "axes")
    named = tuple(range(x.rank)) if axes is None else tuple(call.axis(a, x.rank) for a in axes)
    if len(pads) != 2 * len(named) or len(set(named)) != len(named):
        raise call.unsupported(
            "the counts of a Pad do not fit", found=f"{pads} for axes {named} of rank {x.rank}"
        )
    ends = {a: (pads[i], pads[i + len(named)]) for i, a in enumerate(named)}
    if any(ends.get(0, (0, 0))):
        raise call.unsupported("a Pad adds to the batch", found=pads, supported="0 for axis 0")
    around = [ends.get(a, (0, 0)) for a in range(1, x.rank)]
    return pad(call, x, around, BORDERS[mode], value)


def resize(call: Call) -> Operand:
    """Change lengths by the nearest element, or by fixed weights along each axis."""
    x = call.value(0, "X")
    mode = call.attributes.text("mode", "nearest")
    if call.opset < 11:  # what Upsample and the first Resize do
        rule, rounding = "asymmetric", "floor"
    else:
        rule = call.attributes.text("coordinate_transformation_mode", "half_pixel")
        rounding = call.attributes.text("nearest_mode", "round_prefer_floor")
    _check_modes(call, mode, rule, rounding)
    exclude = call.attributes.flag("exclude_outside", False)
    a = call.attributes.number("cubic_coeff_a", -0.75)
    if exclude and mode != "cubic":
        raise call.unsupported("exclude_outside without cubic interpolation", supported="cubic")
    for axis, size, scale in _changes(call, x):
        n = x.shape[axis]
        matrix: Reals
        if mode == "nearest":
            matrix = pick(nearest(n, size, rule, rounding, scale), n)
        elif mode in ("linear", "bilinear"):
            matrix = linear(n, size, rule, scale)
        else:
            matrix = cubic(n, size, rule, a, scale, exclude)
        x = along(call, x, axis, matrix)
    return x


def _check_modes(call: Call, mode: str, rule: str, rounding: str) -> None:
    call.attributes.must_be("antialias", 0, "a filter before the size is reduced")
    call.attributes.ignore("extrapolation_value")  # speaks of tf_crop_and_resize
    policy = call.attributes.text("keep_aspect_ratio_policy", "stretch")
    modes = ("nearest", "linear", "bilinear", "cubic")
    for what, found, known in (
        ("a mode of Resize", mode, modes),
        ("a rule of coordinates", rule, COORDINATES),
        ("a rounding of coordinates", rounding, NEAREST),
        ("a policy of aspect ratios", policy, ("stretch",)),
    ):
        if found not in known:
            raise call.unsupported(
                f"{what} is not handled",
                found=found,
                supported=", ".join(known),
                remedy="resize by another rule, or before the model",
            )


def _changes(call: Call, x: Value) -> list[tuple[int, int, float | None]]:
    """Return (axis of the sample, new length, scale where it is given) of axes that change."""
    sizes: tuple[int, ...] | None = None
    if call.opset < 9:
        scales = call.attributes.numbers("scales")
    elif call.opset < 11:
        scales = _floats(call, 1)
    else:
        scales = _floats(call, 2)
        if call.optional(3) is not None:
            sizes = call.whole_numbers(3, "sizes") or None
    found = sizes if sizes is not None else scales
    axes = call.attributes.integers("axes") or tuple(range(x.rank))
    named = [call.axis(a, x.rank) for a in axes]
    if found is None or len(found) != len(named) or min(found) <= 0 or len(set(named)) != len(axes):
        raise call.unsupported(
            "the sizes or scales of a Resize do not fit",
            found=f"sizes {sizes}, scales {scales} for axes {axes} of rank {x.rank}",
            supported="a number above 0 for each axis",
        )
    changes: list[tuple[int, int, float | None]] = []
    for axis, value in zip(named, found, strict=True):
        if axis == 0:
            if (sizes is None and value != 1) or (sizes is not None and value != 1):
                raise call.unsupported("a Resize changes the batch", found=found)
            continue
        n = x.shape[axis - 1]
        size = int(value) if sizes is not None else int(np.floor(n * float(value)))
        if size < 1:
            raise call.unsupported("a Resize leaves nothing of an axis", found=f"{n} times {value}")
        scale = None if sizes is not None else float(value)
        if size != n or (scale is not None and scale != 1):
            changes.append((axis - 1, size, scale))
    return changes


def _floats(call: Call, i: int) -> tuple[float, ...] | None:
    """Return an optional constant list of numbers; an empty one is none."""
    const = call.optional_const(i, "scales")
    if const is None or const.array.size == 0:
        return None
    return tuple(float(v) for v in const.reals().reshape(-1))


def depth_to_space(call: Call) -> Operand:
    """Spread blocks of channels over height and width."""
    x, b, mode = _image(call), call.attributes.integer("blocksize", 0), "DCR"
    if call.opset >= 11:
        mode = call.attributes.text("mode", "DCR")
    channels, height, width = x.shape
    if b < 1 or channels % (b * b) or mode not in ("DCR", "CRD"):
        raise call.unsupported(
            "a DepthToSpace does not fit", found=f"blocks of {b} in {x.shape}, mode {mode}"
        )
    rest = channels // (b * b)
    if mode == "DCR":
        split, order = (b, b, rest, height, width), (2, 3, 0, 4, 1)
    else:
        split, order = (rest, b, b, height, width), (0, 3, 1, 4, 2)
    x = call.emit(Reshape(split), x, suffix="blocks")
    x = call.emit(Transpose(order), x, suffix="turned")
    return call.emit(Reshape((rest, height * b, width * b)), x)


def space_to_depth(call: Call) -> Operand:
    """Gather blocks of height and width into channels."""
    x, b = _image(call), call.attributes.integer("blocksize", 0)
    channels, height, width = x.shape
    if b < 1 or height % b or width % b:
        raise call.unsupported("a SpaceToDepth does not fit", found=f"blocks of {b} in {x.shape}")
    split = (channels, height // b, b, width // b, b)
    x = call.emit(Reshape(split), x, suffix="blocks")
    x = call.emit(Transpose((2, 4, 0, 1, 3)), x, suffix="turned")
    return call.emit(Reshape((channels * b * b, height // b, width // b)), x)


def _image(call: Call) -> Value:
    x = call.value(0, "input")
    if x.rank != 4:
        raise call.unsupported(
            f"{call.node.op_type} of no image", found=x.shape, supported="(channels, height, width)"
        )
    return x
