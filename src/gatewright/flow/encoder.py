"""Real numbers to the firmware's integers at the emulator's speed: in blocks that stay in cache.

What comes out is what `encode(graph, as_inputs(graph, data))` says, in the narrowest integers that
hold an input's type. A block with anything out of the ordinary in it (NaN, a number that the
firmware cannot receive) is left to that definition, which says what is wrong and where.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gatewright.flow.host import EXACT, Data, as_arrays, as_inputs, encode
from gatewright.ir import Graph, Input, Op, Reals
from gatewright.num import FixedArray, Intervals, Ints, Overflow
from gatewright.ops import Quantize
from gatewright.ops.quantize import overflow_real, round_real

BLOCK = 1 << 15
"""Numbers in a block: a quarter of a megabyte as float64."""

LEAST = 1 << 19
"""Numbers that are worth a thread of their own."""

STEEPEST = 1000
"""Beyond this binary point, on either side, a scale is no normal float64."""

Codes = NDArray[np.integer[Any]]


class _UnusualError(Exception):
    """A block holds something that the fast way does not know."""


def encode_fast(graph: Graph, data: Data, threads: int | None = None) -> dict[str, FixedArray]:
    """Return the integers that the firmware receives, by input name.

    Their integer type is narrower than int64 where the range allows: they are to be fed to the
    emulator, not to be computed with.

    Args:
        graph: inputs have types.
        data: real numbers as for `Design.predict`.
        threads: how many to use at most; by default one for each processor.

    Raises:
        DataError: as `as_inputs` and `encode`.
    """
    arrays = as_arrays(graph, data)
    try:
        return {i.name: _encode_one(i, arrays[i.name], threads) for i in graph.inputs}
    except _UnusualError:
        return encode(graph, as_inputs(graph, data))


def narrowest(kind: Intervals) -> np.dtype[Any]:
    """Return the smallest integer type that holds a range."""
    low, high = int(kind.lo.min(initial=0)), int(kind.hi.max(initial=0))
    names = [f"{sign}{size}" for size in (1, 2, 4, 8) for sign in "iu"]
    for name in names:
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            return np.dtype(name)
    raise AssertionError("a type is wider than 64 bits")


def _encode_one(i: Input, x: np.ndarray, threads: int | None) -> FixedArray:
    """Encode an input, blocks of samples shared out among threads."""
    assert i.type is not None
    way = _Way.of(i)
    out = np.empty(x.shape, narrowest(i.type))
    step = max(BLOCK // max(i.type.size, 1), 1)
    workers = min(threads or _processors(), max(x.size // LEAST, 1))

    def work(first: int, end: int) -> None:
        for start in range(first, end, step):
            part = slice(start, min(start + step, end))
            way.encode(x[part], out[part])

    result = FixedArray(cast(Ints, out), i.type.frac)
    if workers == 1:
        work(0, len(x))
        return result
    cuts = [len(x) * k // workers for k in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(work, first, end) for first, end in pairwise(cuts)]
    for job in jobs:
        job.result()
    return result


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class _Way:
    """How the numbers of one input become integers.

    Attributes:
        before: operations in float64, the last quantizer aside.
        last: the quantizer that gives the codes; None where numbers must be codes already.
        scale: of codes; one number where it is the same for all elements.
        low, high: limits of the codes, likewise: of the quantizer, or of the type without one.
    """

    before: tuple[Op, ...]
    last: Quantize | None
    scale: Reals
    low: Ints
    high: Ints

    @classmethod
    def of(cls, i: Input) -> _Way:
        """Plan an input.

        Raises:
            _UnusualError: its grid is beyond what float64 scales exactly.
        """
        kind = i.type
        assert kind is not None
        if np.abs(kind.frac).max(initial=0) > STEEPEST:
            raise _UnusualError
        scale = np.ldexp(1.0, kind.frac.astype(np.int32))
        last = i.encode[-1] if i.encode else None
        if isinstance(last, Quantize):
            own = last.format
            same = np.broadcast_to(own.frac, kind.shape) == kind.frac
            if same.all() and (own.lo >= kind.lo).all() and (own.hi <= kind.hi).all():
                return cls(i.encode[:-1], last, _one(scale), _one(own.lo), _one(own.hi))
        return cls(i.encode, None, _one(scale), _one(kind.lo), _one(kind.hi))

    def encode(self, x: np.ndarray, out: Codes) -> None:
        """Encode some samples into `out`.

        Raises:
            _UnusualError: there is something that only the plain way knows what to do with.
        """
        if not x.size:
            return
        values = x.astype(np.float64)
        _require_finite(values)
        if x.dtype.kind in "iu" and max(-values.min(), values.max()) >= EXACT:
            raise _UnusualError
        for op in self.before:
            values = op.real(values)
        if self.before:
            _require_finite(values)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values * self.scale  # a power of two: as exact as ldexp
            q = self._codes(scaled) if self.last is None else self._quantized(self.last, scaled)
        np.copyto(out, q, casting="unsafe")

    def _codes(self, scaled: Reals) -> Reals:
        """Return numbers that are codes already."""
        q = np.rint(scaled)
        if (q != scaled).any() or (q < self.low).any() or (q > self.high).any():
            raise _UnusualError
        return q

    def _quantized(self, op: Quantize, scaled: Reals) -> Reals | Ints:
        """Round, and bring into the limits."""
        q = round_real(scaled, op.rounding)
        if op.overflow is not Overflow.WRAP:
            return overflow_real(q, self.low, self.high, op.overflow)  # type: ignore[arg-type]
        least, most = float(q.min()), float(q.max())
        if least >= self.low.max() and most <= self.high.min():
            return q
        if max(-least, most) >= 2.0**62:
            raise _UnusualError
        span = self.high - self.low  # one less than a power of two
        return ((q.astype(np.int64) - self.low) & span) + self.low


def _require_finite(values: Reals) -> None:
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise _UnusualError


def _one(array: NDArray[Any]) -> NDArray[Any]:
    """Return one number where all are equal, which is quicker to compute with."""
    flat = array.ravel()
    return flat[:1].reshape(()) if flat.size and (flat == flat[0]).all() else array
