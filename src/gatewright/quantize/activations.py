"""Choose a format per element of a tensor: where the top bit and the last bit stand.

The error of a format is measured on calibration data, an element and a candidate at a time, and
weighed by how much the outputs feel it; a bit costs what the adders that read it cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.ir import Reals
from gatewright.num import Fixed, Ints, Overflow, Rounding
from gatewright.ops import Quantize
from gatewright.quantize.digits import on_grid

CLIPS = 5
"""Candidates for the top bit, from the one that holds all observed values down."""

AROUND = (-2, -1, 0, 1, 2)
"""Candidates for the last bit, about the one that theory gives."""

SAMPLES = 1024
"""Rows on which rounding errors are measured."""

FINEST, COARSEST = 60, -60


@dataclass(frozen=True, eq=False)
class SiteFormat:
    """Formats of a tensor, per element, and what they do to the data.

    Attributes:
        signed, top, frac: the format holds `2**top` (exclusive), in steps of `2**-frac`; where
            `top + frac <= 0` the element is dropped and stands for 0.
        saturated: fraction of the calibration values that are clipped.
    """

    signed: np.ndarray
    top: Ints
    frac: Ints
    saturated: float

    @property
    def width(self) -> Ints:
        """Bits, the sign included; 0 for a dropped element."""
        magnitude = np.maximum(self.top + self.frac, 0)
        return np.where(magnitude > 0, magnitude + self.signed, 0)


def covering(high: Reals) -> Ints:
    """Return the least `top` with `2**top > high`, elementwise."""
    _, exponent = np.frexp(high)
    return np.where(high > 0, exponent, COARSEST).astype(np.int64)


def choose_format(
    x: Reals,
    sensitivity: Reals,
    price: Reals,
    clip_price: float,
    extremes: tuple[Reals, Reals],
    bounds: tuple[Reals, Reals] | None,
    grid: Ints | None = None,
    samples: int = SAMPLES,
) -> SiteFormat:
    """Return formats that make error plus price of the bits small.

    Args:
        x: (rows, elements), the values to be quantized.
        sensitivity: (rows, elements), cost of a squared error.
        price: (elements,), cost of a bit.
        clip_price: cost of limiting a bit that could overflow.
        extremes: (low, high) seen on more rows than these; they count as one more row.
        bounds: (low, high) that the values cannot pass, where known: no limiter is needed there.
        grid: (elements,), binary points on which the values stand anyway (whole numbers: 0), or
            None. Finer formats gain nothing.
        samples: rows on which rounding errors are measured.
    """
    low, high = extremes
    signed = low < 0 if bounds is None else bounds[0] < 0
    magnitude = np.maximum(high, -low)
    ideal = _ideal(x[:samples], sensitivity[:samples], price)
    if grid is not None:
        ideal = np.minimum(ideal, grid)
    top = _choose_top(x, sensitivity, price, clip_price, magnitude, bounds, ideal)
    frac = _choose_frac(x[:samples], sensitivity[:samples], price, top, signed, ideal)
    limit = np.ldexp(1.0, top.astype(np.int32))
    clipped = float(((x >= limit) | (x < -limit)).mean())
    return SiteFormat(signed, top, frac, clipped)


def choose_one(
    x: Reals,
    sensitivity: Reals,
    price: Reals,
    clip_price: float,
    extremes: tuple[Reals, Reals],
    bounds: tuple[Reals, Reals] | None,
    grid: Ints | None = None,
) -> SiteFormat:
    """Return one format for all elements; arguments as those of `choose_format`."""
    n = x.shape[1]
    one = choose_format(
        x.reshape(-1, 1),
        sensitivity.reshape(-1, 1),
        np.full(1, price.mean()),  # errors are a mean over all elements, too
        clip_price,
        (extremes[0].min(keepdims=True), extremes[1].max(keepdims=True)),
        None if bounds is None else (bounds[0].min(keepdims=True), bounds[1].max(keepdims=True)),
        None if grid is None else grid.max(keepdims=True),
        SAMPLES * n,
    )
    signed, top, frac = (np.repeat(v, n) for v in (one.signed, one.top, one.frac))
    return SiteFormat(signed, top, frac, one.saturated)


def within(
    chosen: SiteFormat, bits: int, x: Reals, sensitivity: Reals, extremes: tuple[Reals, Reals]
) -> SiteFormat:
    """Return formats of at most so many bits: top and last bit at which errors count least.

    Elements that share a format in `chosen` do so in the result.

    Args:
        chosen: formats of any width.
        bits: the sign included.
        x: (rows, elements), the values to be quantized.
        sensitivity: (rows, elements), cost of a squared error.
        extremes: (low, high) seen on more rows than these; they count as one more row.
    """
    wide = chosen.width > bits
    if not wide.any():
        return chosen
    same = len(np.unique(np.stack([chosen.signed, chosen.top, chosen.frac]), axis=1).T) == 1
    x, sensitivity = x[:SAMPLES], sensitivity[:SAMPLES]
    felt, magnitude = sensitivity.mean(0), np.maximum(extremes[1], -extremes[0])
    best, least = chosen.top, np.full(len(chosen.top), np.inf)
    for down in range(CLIPS):
        top = chosen.top - down
        frac = bits - chosen.signed - top
        limit = np.ldexp(1.0, (top + frac).astype(np.int32))
        error = on_grid(x, frac, np.where(chosen.signed, -limit, 0.0), limit - 1.0) - x
        beyond = np.maximum(magnitude - np.ldexp(1.0, top.astype(np.int32)), 0)
        cost = (sensitivity * error * error).mean(0) + felt * beyond * beyond / len(x)
        cost = np.full(len(cost), cost.sum()) if same else cost
        best, least = np.where(cost < least, top, best), np.minimum(cost, least)
    top = np.where(wide, best, chosen.top)
    frac = np.where(wide, bits - chosen.signed - top, chosen.frac)
    limit = np.ldexp(1.0, top.astype(np.int32))
    return SiteFormat(chosen.signed, top, frac, float(((x >= limit) | (x < -limit)).mean()))


def _choose_top(
    x: Reals,
    sensitivity: Reals,
    price: Reals,
    clip_price: float,
    magnitude: Reals,
    bounds: tuple[Reals, Reals] | None,
    ideal: Reals,
) -> Ints:
    """Choose the top bit: the error of clipping against bits and limiters saved."""
    widest, felt = covering(magnitude), sensitivity.mean(0)
    best, least = widest, np.full(len(widest), np.inf)
    tops = [widest - k for k in range(CLIPS)]
    if bounds is not None:
        sure = covering(np.maximum(bounds[1], -bounds[0]))
        tops.insert(0, np.minimum(np.maximum(sure, widest), widest + 3))
    edge = np.exp2(-ideal)  # a value at the limit itself is a unit too large
    for top in tops:
        limit = np.ldexp(1.0, top.astype(np.int32))
        over = np.where(x >= limit, x - limit + edge, np.maximum(-x - limit, 0))
        beyond = np.maximum(magnitude - limit, 0)
        cost = (sensitivity * over * over).mean(0) + felt * beyond * beyond / len(x)
        cost = cost + price * (top - widest)
        if bounds is not None:
            cost = cost + np.where(top >= sure, 0.0, clip_price)
        best = np.where(cost < least, top, best)
        least = np.minimum(cost, least)
    return best


def _ideal(x: Reals, sensitivity: Reals, price: Reals) -> Reals:
    """Return theory's last bit: rounding is noise of step**2 / 12."""
    felt = (sensitivity * (x != 0)).mean(0)
    # d/df [felt * 4**-f / 12 + price * f] = 0
    with np.errstate(divide="ignore"):
        ideal = 0.5 * np.log2(felt * np.log(4.0) / 12 / np.maximum(price, 1e-300))
    finite = np.nan_to_num(ideal, neginf=COARSEST, posinf=FINEST)
    return np.asarray(np.clip(finite, COARSEST, FINEST), np.float64)


def _choose_frac(
    x: Reals, sensitivity: Reals, price: Reals, top: Ints, signed: np.ndarray, ideal: Reals
) -> Ints:
    """Choose the last bit: theory's and its neighbours, as measured."""
    middle = np.rint(np.maximum(ideal, -top - 1)).astype(np.int64)
    dropped = (sensitivity * x * x).mean(0)
    best, least = -top, dropped
    for shift in AROUND:
        frac = middle + shift
        limit = np.ldexp(1.0, (top + frac).astype(np.int32))
        low = np.where(signed, -limit, 0.0)
        error = on_grid(x, frac, low, limit - 1.0) - x
        width = top + frac + signed
        cost = (sensitivity * error * error).mean(0) + price * np.maximum(width, 0)
        better = (cost < least) & (top + frac > 0)
        best, least = np.where(better, frac, best), np.where(better, cost, least)
    return best


def quantizer(chosen: SiteFormat, shape: tuple[int, ...], rounding: Rounding) -> Quantize:
    """Return the operation that gives formats chosen along the last axis."""
    width, frac = chosen.width, np.where(chosen.width > 0, chosen.frac, 0)
    signed = chosen.signed & (width > 0)
    if not shape:
        signed, width, frac = signed.reshape(()), width.reshape(()), frac.reshape(())
    return Quantize.to(signed, width, frac, rounding, Overflow.SAT)


def user_format(x: Reals, fmt: Fixed) -> SiteFormat:
    """Return one format for all elements."""
    n = x.shape[1]
    magnitude = fmt.width - fmt.signed
    low, high = (np.ldexp(float(v), -fmt.frac) for v in (fmt.low, fmt.high + 1))
    clipped = float(((x < low) | (x >= high)).mean())
    return SiteFormat(
        np.full(n, fmt.signed), np.full(n, magnitude - fmt.frac), np.full(n, fmt.frac), clipped
    )
