"""The answer of the CMVM solver: adders of shifted terms, with exact ranges and their cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import DataError, FormatError


@dataclass(frozen=True)
class AdderGraph:
    """y = x @ matrix + bias as adds of shifted terms.

    Operand ids: 0..n_in-1 the inputs, n_in..n_in+len(constants)-1 the constants, then the nodes in
    topological order. Operands are numbers, not bit strings: input i stands for
    `x_i * 2**-in_frac[i]`, constant k for the integer `constants[k]`, and
    `node = (-1)**negate_a * a * 2**shift_a + (-1)**negate_b * b * 2**shift_b`, exactly. Shifts may
    be negative. Never are both operands of a node negated, and no constant is. A constant is used
    once per output only, by the last adder.

    Attributes:
        n_in: Number of inputs.
        in_lo, in_hi, in_frac: (n_in,) ranges of the inputs, in units of 2**-in_frac.
        constants: Odd integers, each once. Where one is used, the shift says how it is scaled.
        a, b: (nodes,) operand ids.
        shift_a, shift_b: (nodes,) powers of two.
        negate_a, negate_b: (nodes,) signs.
        lo, hi, frac: (nodes,) exact range of every node, in units of 2**-frac, and the binary
            point of its grid: all of its values are multiples of that unit.
        out: (n_out,) operand id; -1: the output is the constant zero.
        out_shift, out_negate: y_j = (-1)**out_negate[j] * operand(out[j]) * 2**out_shift[j].
        out_frac: Binary point of the integers that `evaluate` returns.
        cost: Estimated LUTs in excess form: operands are unsigned codes, a number less a known
            integer, so that signs are free. An adder takes a LUT for every position that both
            codes reach, HALF / COST_UNIT of one where only one does; the offsets' one constant
            per output is not counted where the bias is zero.
        depth: Adders on the longest path from an input to an output, without those that only put
            codes side by side.
    """

    n_in: int
    in_lo: NDArray[np.int64]
    in_hi: NDArray[np.int64]
    in_frac: NDArray[np.int64]
    constants: NDArray[np.int64]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    shift_a: NDArray[np.int32]
    shift_b: NDArray[np.int32]
    negate_a: NDArray[np.bool_]
    negate_b: NDArray[np.bool_]
    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    frac: NDArray[np.int64]
    out: NDArray[np.int32]
    out_shift: NDArray[np.int32]
    out_negate: NDArray[np.bool_]
    out_frac: int
    cost: float
    depth: int

    @property
    def n_nodes(self) -> int:
        """Return the number of adders."""
        return len(self.a)

    def evaluate(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        """Compute the outputs through the adders, exactly.

        Args:
            x: (batch, n_in) integers; column i is in units of 2**-in_frac[i].

        Returns:
            (batch, n_out) integers in units of 2**-out_frac, where out_frac is the greatest of the
            bias's binary point and the inputs'.

        Raises:
            FormatError: Where `x` has another shape, or an output does not fit 62 bits there.
            DataError: Where a value of `x` lies outside its input's range.
        """
        x = np.asarray(x, dtype=np.int64)
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise FormatError(
                "The adder graph takes another number of inputs",
                found=f"shape {x.shape}",
                supported=f"shape (batch, {self.n_in})",
            )
        outside = np.argwhere((x < self.in_lo) | (x > self.in_hi))
        if len(outside):
            row, i = outside[0].tolist()
            raise DataError(
                f"The adder graph is exact only within its input ranges: sample {row}, input {i}",
                found=int(x[row, i]),
                supported=f"{self.in_lo[i]}..{self.in_hi[i]}",
            )
        values = np.zeros((self.n_in + len(self.constants) + self.n_nodes, len(x)), np.int64)
        values[: self.n_in] = x.T
        first = self.n_in + len(self.constants)
        values[self.n_in : first] = self.constants[:, None]
        point = [*self.in_frac.tolist(), *[0] * len(self.constants), *self.frac.tolist()]
        rows = zip(
            self.a.tolist(), self.b.tolist(), self.shift_a.tolist(), self.shift_b.tolist(),
            self.negate_a.tolist(), self.negate_b.tolist(), strict=True,
        )  # fmt: skip
        for k, (a, b, shift_a, shift_b, negate_a, negate_b) in enumerate(rows):
            target = point[first + k]
            base = max(target, point[a] - shift_a, point[b] - shift_b)
            left = _scaled(values[a], base - point[a] + shift_a)
            right = _scaled(values[b], base - point[b] + shift_b)
            total = (-left if negate_a else left) + (-right if negate_b else right)
            values[first + k] = total >> (base - target)
        return self._outputs(values, point)

    def _outputs(self, values: NDArray[np.int64], point: list[int]) -> NDArray[np.int64]:
        """Bring the outputs' operands onto the common grid."""
        result = np.zeros((values.shape[1], len(self.out)), np.int64)
        for j, (operand, shift) in enumerate(
            zip(self.out.tolist(), self.out_shift.tolist(), strict=True)
        ):
            if operand >= 0:
                column = _scaled(values[operand], self.out_frac - point[operand] + shift)
                result[:, j] = -column if self.out_negate[j] else column
        return result


def _scaled(values: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Multiply by 2**shift; what is shifted out to the right is zero by construction."""
    if shift < 0:
        return values >> -shift
    widest = int(np.abs(values).max(initial=0)).bit_length()
    if widest + shift > 62:
        raise FormatError(
            "A value of the adder graph does not fit the grid it is asked on",
            found=f"{widest + shift} bits",
            supported="62 bits",
            remedy="bring the inputs' binary points closer to each other",
        )
    return values << shift
