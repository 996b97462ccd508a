"""Attributes that layers on images and sequences share: sizes, paddings, the place of channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gatewright.base import ModelError
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.recipes.windows import Pairs, causal_padding, same_padding
from gatewright.ops import Transpose


def sizes(site: Site, attribute: str, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return an attribute that is one whole number, or one for each spatial axis.

    Raises:
        ModelError: it is neither, or a number is below `least`.
    """
    value = site.attributes[attribute]
    found = [value] * rank if isinstance(value, int) and not isinstance(value, bool) else value
    sound = isinstance(found, list | tuple) and len(found) == rank
    if not sound or not all(type(v) is int and v >= least for v in found):
        raise ModelError(
            "an attribute is no list of lengths",
            place=site.at(attribute),
            found=repr(value)[:200],
            supported=f"{rank} whole numbers from {least}, or one",
        )
    return tuple(found)


def pairs(site: Site, attribute: str, rank: int) -> Pairs:
    """Return an attribute that says how much before and after each spatial axis."""
    value = site.attributes[attribute]
    if type(value) is int:
        value = [[value, value]] * rank
    elif isinstance(value, list | tuple):
        value = [value] if rank == 1 and value and type(value[0]) is int else value
        value = [[v, v] if type(v) is int else v for v in value]
    sound = isinstance(value, list) and len(value) == rank
    if not sound or not all(
        isinstance(p, list | tuple) and len(p) == 2 and all(type(n) is int and n >= 0 for n in p)
        for p in value
    ):
        raise ModelError(
            "an attribute is no list of counts before and after",
            place=site.at(attribute),
            found=repr(site.attributes[attribute])[:200],
            supported=f"{rank} pairs of whole numbers from 0",
        )
    return tuple((p[0], p[1]) for p in value)


def check_rank(site: Site, rank: int) -> None:
    """Refuse a tensor without `rank` spatial axes and one for channels."""
    if len(site.input.shape) != rank + 1:
        raise site.unsupported(
            f"a {site.layer.kind} layer has an input of another rank",
            "batch_shape",
            f"a sample of shape {site.input.shape}",
            f"{rank} spatial axes, and one for channels",
            "reshape the input",
        )


def is_first(site: Site) -> bool:
    """Whether channels stand in front of the spatial axes."""
    form = site.attributes.get("data_format") or "channels_last"
    if form not in ("channels_last", "channels_first"):
        raise site.unsupported(
            "a data format is not handled", "data_format", form,
            "channels_last or channels_first", "save the model with one of these",
        )  # fmt: skip
    return bool(form == "channels_first")


def channels_last(
    site: Site, rank: int, build: Callable[[Value], Value], x: Value | None = None
) -> Value:
    """Run `build` with channels last, and give its result the layer's own order.

    Args:
        site: the layer.
        rank: its spatial axes.
        build: makes the operations.
        x: what to run it on; None for the input.
    """
    check_rank(site, rank)
    x = site.input if x is None else x
    if not is_first(site):
        return build(x)
    turned = site.emit(Transpose((*range(1, rank + 1), 0)), x, suffix="channels_last")
    result = build(turned)
    order = (rank, *range(rank))
    if len(result.shape) != rank + 1:
        return result
    return site.emit(Transpose(order), result, suffix="channels_first")


def named_padding(
    site: Site,
    lengths: Sequence[int],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    causal: bool = False,
) -> Pairs:
    """Return the zeros that `valid`, `same` or `causal` stand for."""
    name = _padding(site, ("valid", "same", "causal") if causal else ("valid", "same"))
    if name == "same":
        return same_padding(tuple(lengths), kernel, strides, dilation)
    if name == "causal":
        return causal_padding(kernel, dilation)
    return ((0, 0),) * len(kernel)


def _padding(site: Site, known: tuple[str, ...]) -> str:
    value: Any = site.attributes["padding"]
    name = str(value).lower()
    if name not in known:
        raise site.unsupported(
            "a padding is not handled", "padding", repr(value)[:100], ", ".join(known),
            "pad with a ZeroPadding layer and use padding='valid'",
        )  # fmt: skip
    return name


def transposed_crop(
    site: Site,
    lengths: Sequence[int],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pairs:
    """Return what a transposed convolution takes off its whole result, as TensorFlow does.

    It is the gradient of a convolution from the result to the input, whose padding follows from
    the lengths. Keras on PyTorch differs where an odd element of padding goes to the other end.
    """
    name = _padding(site, ("valid", "same"))
    given = site.attributes["output_padding"]
    extra = [None] * len(kernel) if given is None else sizes(site, "output_padding", len(kernel), 0)
    cuts = []
    for n, k, s, d, e in zip(lengths, kernel, strides, dilation, extra, strict=True):
        span = (k - 1) * d + 1
        whole = (n - 1) * s + span
        if e is None:
            length = n * s if name == "same" else n * s + max(span - s, 0)
        else:
            length = whole - (2 * (span // 2) if name == "same" else 0) + e
        before = max((whole - length) // 2, 0)
        cuts.append((before, whole - length - before))
    return tuple(cuts)
