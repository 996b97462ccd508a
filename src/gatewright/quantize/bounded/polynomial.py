"""Piecewise polynomials with integer coefficients in place of wide tables.

The operand's upper bits name a segment, its lower bits are the distance from the segment's
beginning. The coefficients interpolate the function at each segment's Chebyshev points and are
rounded to stated binary points; Horner's scheme is computed on integers, with one rounding after
each product. How far the result can be from the function is found at every operand that can occur.

An even or odd function is stored for one half: a negative operand is complemented, which inverts
its bits, and the one that is missing is added to its distance in the segment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gatewright.blocks.booth import product_luts
from gatewright.ir import Reals
from gatewright.num import Ints

GUARD = 2
"""Digits that coefficients have behind the result's."""

TRIED = 2
"""Numbers of segments that are tried of a degree: more of them make a product narrower."""

SLOWER = 1.3
"""By how much a polynomial has to be cheaper to be worth another product one after the other."""

MOST_SEGMENTS = 10
"""Bits that name a segment at most."""

FEW_SEGMENTS, LEAST_REST = 8, 4
"""Above so many bits of a segment's name, so many have to be left below it: the words of a table of
all operands would be few enough otherwise."""

PIECE = 1 << 18
"""Operands that are tried at a time."""


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A function of integers by segments.

    Attributes:
        shift: bits of the operand below those that name its segment.
        first: number of the first segment.
        coefficients: integers, (degree + 1, segments), the constant one first.
        points: binary point of each row of coefficients.
        error: largest distance from the function, at any operand.
        mirror: 1 for a function that is even, -1 for one that is odd, stored for operands that
            are not negative; 0: stored for all.
    """

    shift: int
    first: int
    coefficients: Ints
    points: tuple[int, ...]
    error: float
    mirror: int = 0

    @property
    def degree(self) -> int:
        """Degree of the polynomials."""
        return len(self.points) - 1


def fit(
    function: Callable[[Reals], Reals], low: int, high: int, point: int, out: int
) -> Polynomial | None:
    """Return the smallest polynomial that is within a unit of the result's last digit, if any.

    Args:
        function: of real numbers, elementwise.
        low: least operand that can occur, in units of `2**-point`.
        high: largest.
        point: binary point of the operand.
        out: binary point of the result.
    """
    every = np.arange(low, high + 1, dtype=np.int64)
    some = np.unique(np.append(every[:: max(len(every) >> 12, 1)], high))
    found: list[Polynomial] = []
    mirror = _mirror(function, low, high, point, out)
    least, most = (0, max(high, -low)) if mirror else (low, high)
    for degree, shift in _forms((most - least).bit_length()):
        if sum(degree == known.degree for known in found) == TRIED:
            continue
        made = _fitted(function, least, most, point, out, degree, shift, mirror)
        for codes in (some, every):  # some tell quickly that it will not do
            error = math.inf if made is None else _error(function, made, codes, point, out)
            if error > math.ldexp(1.0, -out):
                break
        else:
            assert made is not None
            found.append(replace(made, error=error))
    return min(found, key=lambda p: _luts(p, out) * SLOWER ** (p.degree - 1), default=None)


def _mirror(function: Callable[[Reals], Reals], low: int, high: int, point: int, out: int) -> int:
    """Return 1 where a function is even on a range about 0, -1 where it is odd, else 0."""
    least = min(high, -low)
    if 4 * least < 3 * max(high, -low):
        return 0
    x = np.ldexp(np.unique(np.linspace(0, least, 513).astype(np.int64)).astype(np.float64), -point)
    above, below = function(x), function(-x)
    near = math.ldexp(1e-6, -out)
    return next((m for m in (1, -1) if (np.abs(below - m * above) <= near).all()), 0)


def _forms(width: int) -> Iterator[tuple[int, int]]:
    """Return degrees and shifts, the fewest segments first."""
    for segments in range(MOST_SEGMENTS + 1):
        rest = width - segments
        if rest >= (1 if segments <= FEW_SEGMENTS else LEAST_REST):
            yield from ((degree, rest) for degree in (1, 2))


def _fitted(
    function: Callable[[Reals], Reals],
    low: int,
    high: int,
    point: int,
    out: int,
    degree: int,
    shift: int,
    mirror: int,
) -> Polynomial | None:
    """Return polynomials through Chebyshev points of each segment, their error not yet known."""
    first, last = low >> shift, high >> shift
    starts = np.arange(first, last + 1, dtype=np.int64) << shift
    length = math.ldexp(1.0, shift - point)
    # A segment at an end of the range is fitted where operands can be.
    least = np.maximum(starts, low)
    most = np.minimum(starts + (1 << shift) - (not mirror), high)  # complements reach the next
    at = 0.5 - 0.5 * np.cos((np.arange(degree + 1) + 0.5) * np.pi / (degree + 1))
    x = np.ldexp(least + (most - least) * at[:, None], -point)
    t = x - np.ldexp(starts.astype(np.float64), -point)
    y = function(x)
    if not np.isfinite(y).all():
        return None
    points = tuple(out + GUARD + math.ceil(k * math.log2(length)) for k in range(degree + 1))
    reals = _newton(t, y)
    scaled = [np.rint(np.ldexp(c, p)) for c, p in zip(reals, points, strict=True)]
    if max(np.abs(c).max() for c in scaled) > 2.0**40:
        return None
    whole = np.asarray(scaled).astype(np.int64)
    return Polynomial(shift, first, whole, points, math.inf, mirror)


def _error(
    function: Callable[[Reals], Reals], p: Polynomial, codes: Ints, point: int, out: int
) -> float:
    """Return the largest distance from the function at some operands."""
    worst = 0.0
    for at in range(0, len(codes), PIECE):
        part = codes[at : at + PIECE]
        found = np.ldexp(evaluate(p, part, point, out).astype(np.float64), -out)
        truth = function(np.ldexp(part.astype(np.float64), -point))
        worst = float(np.maximum(worst, np.abs(found - truth).max()))
    return worst if math.isfinite(worst) else math.inf


def _newton(t: Reals, y: Reals) -> list[Reals]:
    """Return the coefficients of the polynomials through points (degree + 1, segments)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.nan_to_num((y[1] - y[0]) / (t[1] - t[0]))
        if len(t) == 2:
            return [y[0] - slope * t[0], slope]
        other = np.nan_to_num((y[2] - y[1]) / (t[2] - t[1]))
        bend = np.nan_to_num((other - slope) / (t[2] - t[0]))
    linear = slope - bend * (t[0] + t[1])
    return [y[0] - linear * t[0] - bend * t[0] ** 2, linear, bend]


def evaluate(p: Polynomial, codes: Ints, point: int, out: int) -> Ints:
    """Return the results of operands, in units of `2**-out`: Horner's scheme, halves rounded up."""
    below = (codes < 0) & (p.mirror != 0)
    codes = np.where(below, ~codes, codes)
    segment = np.minimum((codes >> p.shift) - p.first, p.coefficients.shape[1] - 1)
    rest = (codes & ((1 << p.shift) - 1)) + below
    total = p.coefficients[-1][segment]
    for k in range(p.degree - 1, -1, -1):
        total = _rounded(total * rest, p.points[k + 1] + point - p.points[k])
        total = total + p.coefficients[k][segment]
    if p.mirror < 0:
        total = np.where(below, -total, total)
    return _rounded(total, p.points[0] - out)


def _rounded(q: Ints, drop: int) -> Ints:
    if drop <= 0:
        return q << -drop
    return (q + (1 << (drop - 1))) >> drop


def _luts(p: Polynomial, out: int) -> float:
    """Estimate the circuit: a table for each row, and a product for each degree."""
    segments = (p.coefficients.shape[1] - 1).bit_length()
    rows = [(int(c.min()), int(c.max())) for c in p.coefficients]
    widths = [max(low.bit_length(), high.bit_length()) + (low < 0) for low, high in rows]
    # Two bits of five inputs share a LUT; from eight inputs on Yosys wastes some.
    words = sum(widths) * 2.0 ** (max(segments, 5) - 6) * (1.6 if segments > 7 else 1.0)
    # What is multiplied has the digits of its own coefficient, whatever was added to it.
    products = sum(
        product_luts((p.shift + (p.mirror != 0), False), (width, low < 0))
        for width, (low, _) in zip(widths[1:], rows[1:], strict=True)
    )
    return float(words + products + sum(widths[:-1]))
