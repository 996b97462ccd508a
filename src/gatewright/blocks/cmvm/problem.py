"""Check a CMVM problem and bring it into normal form: live inputs, distinct columns, constants.

Constants are no part of the problem that is searched. In hardware that codes numbers in excess form
every output adds one constant at its end anyway: the sum of all codes' offsets. A bias joins it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FormatError, OptionError

WEIGHT_BITS = 40
WIDEST = 62
FARTHEST_POINT = 1000
LONGEST_WAIT = 200


@dataclass(frozen=True)
class Column:
    """Say how an output comes from a distinct column.

    y = (-1)**negate * column * 2**shift + constant, without the first term where `column` is -1.
    The constant is (odd integer, exponent); (0, 0) is none.
    """

    column: int
    shift: int
    negate: bool
    constant: tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """A problem in normal form.

    Attributes:
        inputs: (live,) ids of the inputs that matter: not constant, some weight not zero.
        lo, hi, frac, level: (live,) their ranges, binary points and adder levels, 0 the earliest.
        matrix: (live, distinct) integer weights; no column is another's multiple by ±2**k.
        columns: how every output comes from the distinct columns.
    """

    inputs: NDArray[np.int64]
    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    frac: NDArray[np.int64]
    level: NDArray[np.int64]
    matrix: NDArray[np.int64]
    columns: tuple[Column, ...]


def check(
    matrix: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    frac: NDArray[np.int64],
    bias: NDArray[np.int64] | None,
    bias_frac: int,
    arrival: NDArray[np.float64] | None,
) -> None:
    """Raise a `FormatError` or `OptionError` for whatever the solver cannot compute exactly."""
    if matrix.ndim != 2:
        raise FormatError(
            "A CMVM matrix has two axes", found=f"shape {matrix.shape}", supported="(n_in, n_out)"
        )
    n_in, n_out = matrix.shape
    wanted = {"lo": (lo, n_in), "hi": (hi, n_in), "frac": (frac, n_in)}
    if bias is not None:
        wanted["bias"] = (bias, n_out)
    if arrival is not None:
        wanted["arrival"] = (arrival, n_in)  # type: ignore[assignment]
    for name, (array, size) in wanted.items():
        if array.shape != (size,):
            raise FormatError(
                f"CMVM: `{name}` does not match the matrix of shape {matrix.shape}",
                found=f"shape {array.shape}",
                supported=f"shape ({size},)",
            )
    empty = np.flatnonzero(lo > hi)
    if empty.size:
        i = int(empty[0])
        raise FormatError(
            f"CMVM: the range of input {i} is empty",
            found=f"{lo[i]}..{hi[i]}",
            supported="lo <= hi",
        )
    for name, array, bits in (("weight", matrix, WEIGHT_BITS), ("input range", lo, WIDEST - 1),
                              ("input range", hi, WIDEST - 1)):  # fmt: skip
        most = max(int(array.max(initial=0)), -int(array.min(initial=0))).bit_length()
        if most > bits:
            raise FormatError(
                f"CMVM: {'an' if name[0] == 'i' else 'a'} {name} is too wide",
                found=f"{most} bits",
                supported=f"up to {bits} bits and a sign",
                remedy="round to fewer bits",
            )
    for point in (*frac.tolist(), bias_frac):
        if abs(point) > FARTHEST_POINT:
            raise FormatError(
                "CMVM: a binary point is out of bounds",
                found=point,
                supported=f"-{FARTHEST_POINT}..{FARTHEST_POINT}",
            )
    if arrival is not None and n_in and not float(np.ptp(arrival)) <= LONGEST_WAIT:
        raise OptionError(
            "CMVM: the inputs arrive too far apart, or not at finite times",
            found=f"{np.ptp(arrival)} adder levels",
            supported=f"up to {LONGEST_WAIT}",
            remedy="put a register before the late inputs",
        )


def normal_form(
    matrix: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    frac: NDArray[np.int64],
    bias: NDArray[np.int64] | None,
    bias_frac: int,
    arrival: NDArray[np.float64] | None,
) -> Problem:
    """Fold constant inputs into the bias, drop dead ones, and keep one of equal columns."""
    live = np.flatnonzero((lo < hi) & (matrix != 0).any(axis=1))
    biases = _folded_biases(matrix, lo, hi, frac, bias, bias_frac)
    weights = matrix[live]
    columns: list[Column] = []
    distinct: list[int] = []
    seen: dict[bytes, int] = {}
    scales = [_scale(weights[:, j]) for j in range(matrix.shape[1])]
    for j, scale in enumerate(scales):
        if scale is None:
            columns.append(Column(-1, 0, False, biases[j]))
            continue
        column = weights[:, j] >> scale
        key, mirrored = column.tobytes(), (-column).tobytes()
        if mirrored in seen:
            columns.append(Column(seen[mirrored], scale, True, biases[j]))
            continue
        if key not in seen:
            seen[key] = len(distinct)
            distinct.append(j)
        columns.append(Column(seen[key], scale, False, biases[j]))
    shifts = np.array([scales[j] for j in distinct], dtype=np.int64)
    level = np.zeros(len(live), np.int64)
    if arrival is not None and len(live):
        level = np.rint(arrival[live] - arrival[live].min()).astype(np.int64)
    return Problem(
        inputs=live,
        lo=lo[live],
        hi=hi[live],
        frac=frac[live],
        level=level,
        matrix=weights[:, distinct] >> shifts,
        columns=tuple(columns),
    )


def _folded_biases(
    matrix: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    frac: NDArray[np.int64],
    bias: NDArray[np.int64] | None,
    bias_frac: int,
) -> list[tuple[int, int]]:
    """Return bias plus constant inputs of every column as (odd integer, exponent)."""
    fixed = [i for i in np.flatnonzero(lo == hi).tolist() if int(lo[i]) != 0]
    point = max([bias_frac, *(int(frac[i]) for i in fixed)])
    result = []
    for j in range(matrix.shape[1]):
        total = 0 if bias is None else int(bias[j]) << (point - bias_frac)
        for i in fixed:
            total += int(matrix[i, j]) * int(lo[i]) << (point - int(frac[i]))
        result.append(odd_part(total, -point, j))
    return result


def odd_part(value: int, exponent: int, column: int) -> tuple[int, int]:
    """Return `value * 2**exponent` as (odd integer, exponent), (0, 0) for zero."""
    if value == 0:
        return 0, 0
    zeros = (value & -value).bit_length() - 1
    if value.bit_length() - zeros > WIDEST:
        raise FormatError(
            f"CMVM: the constant of output {column} is too wide",
            found=f"{value.bit_length() - zeros} bits",
            supported=f"{WIDEST} bits",
            remedy="round the bias to fewer bits",
        )
    return value >> zeros, exponent + zeros


def _scale(column: NDArray[np.int64]) -> int | None:
    """Return the power of two in all weights of a column, None where all are zero."""
    bits = int(np.bitwise_or.reduce(column, initial=0))
    return None if bits == 0 else (bits & -bits).bit_length() - 1


def as_integers(values: Sequence[int] | NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Return `values` as int64, refusing anything that is not an integer already."""
    array = np.asarray(values)
    unsigned = array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63
    if array.size and (unsigned or not np.issubdtype(array.dtype, np.integer)):
        raise FormatError(
            f"CMVM: `{name}` does not hold 64-bit integers",
            found=f"dtype {array.dtype}",
            supported="int64, or what fits it",
            remedy="scale by a power of two and convert",
        )
    return np.ascontiguousarray(array, dtype=np.int64)
