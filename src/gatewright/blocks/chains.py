"""Parts of a constant matrix-vector product in DSP blocks: chains that multiply and add up.

A block adds the product of its input to what the block before it gives, so that a chain of blocks
replaces the adders of some inputs of an output. Where the numbers are narrow, one chain serves two
outputs, side by side in one constant: `x * (u * 2**k + v)` summed over the chain is
`high * 2**k + low`. A constant moves the range of `low` to begin at zero, so that it fits its k
bits; the first block adds it, and the bias takes it back. (Two products in one DSP48E2: AMD WP486.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import signed_digits
from gatewright.hw import ADDED, DspBlock, Kind, Module
from gatewright.num import Intervals, Ints

LENGTH = 4
"""Blocks in a chain: longer ones save an adder of their output, but take more time."""

MOST_SUM = 47
"""Bits of a chain's sum: P has 48 in AMD's blocks (54 in Lattice's)."""


@dataclass(frozen=True)
class Chain:
    """Inputs that blocks multiply and add up for one or two outputs.

    Attributes:
        rows: the inputs.
        high: the output in the upper part, or in all of the sum.
        low: the output in the lower part; None where the sum holds one only.
        place: lowest bit of the upper part, in units of the finest of the inputs' grids.
        offset: what moves the lower part up to zero, in the same units; 1 at the least, so that
            every product has its adder behind it, and a register fits between.
        span: largest value of the lower part once it is moved.
        saving: adders that each block makes superfluous, roughly.
    """

    rows: tuple[int, ...]
    high: int
    low: int | None
    place: int
    offset: int
    span: int
    saving: float

    def factors(self, matrix: Ints) -> list[int]:
        """Return the constant of each block."""
        upper = [int(w) << self.place for w in matrix[list(self.rows), self.high]]
        if self.low is None:
            return upper
        return [u + int(w) for u, w in zip(upper, matrix[list(self.rows), self.low], strict=True)]


def digit_counts(matrix: Ints) -> Ints:
    """Return the signed digits of each entry: what adders have to add up."""
    values, where = np.unique(np.abs(matrix), return_inverse=True)
    counts = np.array([len(signed_digits(v)) for v in values.tolist()], np.int64)
    return counts[where].reshape(matrix.shape)


def chains(matrix: Ints, kinds: Intervals, block: DspBlock, price: float) -> list[Chain]:
    """Return what blocks could take of `x @ matrix`, the largest saving a block first.

    Args:
        matrix: integers of shape (n_in, n_out).
        kinds: types of the inputs.
        block: what one DSP block multiplies.
        price: adders that one signed digit of the matrix costs, once they are shared.
    """
    moving = kinds.lo < kinds.hi
    counts = digit_counts(matrix) * moving[:, None]
    problem = _Problem(matrix, kinds, block, price, counts)
    found: list[Chain] = []
    free = sorted(range(matrix.shape[1]), key=lambda j: (-int(counts[:, j].sum()), j))
    while free:
        first, *free = free
        pair = problem.best_pair(first, free)
        if pair is not None:
            free.remove(pair[0])
            found += pair[1]
        else:
            found += problem.split(first, None) or []
    found = [chain for chain in found if chain.saving > 0]
    return sorted(found, key=lambda c: -c.saving)  # stable: equal ones in the order found


@dataclass(frozen=True)
class _Problem:
    """What `chains` was asked, and the digits of each entry (none for inputs that are constant)."""

    matrix: Ints
    kinds: Intervals
    block: DspBlock
    price: float
    counts: Ints

    def best_pair(self, first: int, others: Sequence[int]) -> tuple[int, list[Chain]] | None:
        """Return the output that shares most blocks with another, and their chains."""
        if not others:
            return None
        both = self.counts[:, [first]] + self.counts[:, list(others)]
        gain = both.sum(0) / np.maximum((both > 0).sum(0), 1)
        for position in np.argsort(-gain, kind="stable")[:4]:
            other = others[int(position)]
            found = self.split(first, other)
            if found is not None:
                return other, found
        return None

    def split(self, high: int, low: int | None) -> list[Chain] | None:
        """Return the chains of one output or two; None where two do not fit side by side."""
        counts = self.counts[:, high] + (0 if low is None else self.counts[:, low])
        rows = np.flatnonzero(counts > 1)  # a single digit needs no multiplier
        if not len(rows):
            return []
        parts = np.array_split(rows, -(-len(rows) // LENGTH))
        found = [self._chain(part.tolist(), high, low) for part in parts]
        fit = [chain for chain in found if chain is not None]
        return None if low is not None and len(fit) < len(found) else fit

    def _chain(self, rows: list[int], high: int, low: int | None) -> Chain | None:
        """Return a chain, or None where a block does not take it."""
        if low is not None and not self.counts[rows, low].any():
            low = None
        elif low is not None and not self.counts[rows, high].any():
            high, low = low, None
        lo, hi = self.kinds.lo[rows].tolist(), self.kinds.hi[rows].tolist()
        fine = self.kinds.frac[rows].max()
        scale = (fine - self.kinds.frac[rows]).tolist()
        place, offset, span = 0, 1, 0
        if low is not None:
            weights = self.matrix[rows, low].tolist()
            ends = [sorted((w * a << s, w * b << s)) for w, a, b, s in _zip(weights, lo, hi, scale)]
            offset = max(-sum(a for a, _ in ends), 1)
            span = offset + sum(b for _, b in ends)
            place = span.bit_length()
        outputs = [high] if low is None else [high, low]
        digits = int(self.counts[np.ix_(rows, outputs)].sum())
        saving = (digits * self.price - len(outputs)) / len(rows)
        chain = Chain(tuple(rows), high, low, place, offset, span, saving)
        return chain if self._fits(chain, lo, hi, scale) else None

    def _fits(self, chain: Chain, lo: list[int], hi: list[int], scale: list[int]) -> bool:
        most = chain.offset
        for w, a, b, s in _zip(chain.factors(self.matrix), lo, hi, scale):
            if self.block.blocks(_signed_bits(a, b), _signed_bits(w, w)) != 1:
                return False
            most += max(abs(w * a), abs(w * b)) << s
        return most.bit_length() < MOST_SUM


def _zip(*columns: list[int]) -> Iterator[tuple[int, ...]]:
    return zip(*columns, strict=True)


def _signed_bits(lo: int, hi: int) -> int:
    """Return the bits of a signed number that holds a range."""
    return max(hi.bit_length(), (-lo - 1).bit_length() if lo < 0 else 0) + 1


@dataclass(frozen=True)
class Rest:
    """What is left of `x @ matrix + bias` for the adders.

    Attributes:
        sums: what the chains give, further inputs of the adders.
        matrix: integers of shape (n_in + sums, n_out).
        bias: integers of shape (n_out,), on the grid `2**-bias_frac`.
    """

    sums: list[int]
    matrix: Ints
    bias: Ints
    bias_frac: int


def place_chains(
    m: Module,
    x: Sequence[int],
    matrix: Ints,
    matrix_frac: int,
    bias: Ints,
    bias_frac: int,
    chosen: Sequence[Chain],
) -> Rest:
    """Build the chosen chains; return what the adders still have to do."""
    left, n_out = matrix.copy(), matrix.shape[1]
    grids = [max(m.frac[x[i]] for i in chain.rows) for chain in chosen]
    point = max([bias_frac, *(grid + matrix_frac for grid in grids)])
    total = bias.astype(np.int64) << (point - bias_frac)
    sums, rows = [], []
    for chain, grid in zip(chosen, grids, strict=True):
        left[list(chain.rows), chain.high] = 0
        sums += _build(m, x, matrix, chain, grid)
        outputs = [chain.high] if chain.low is None else [chain.high, chain.low]
        left[list(chain.rows), outputs[-1]] = 0
        total[outputs[-1]] -= chain.offset << (point - grid - matrix_frac)
        rows += [np.arange(n_out) == j for j in outputs]
    return Rest(sums, np.concatenate([left, np.array(rows, np.int64)]), total, point)


def _build(m: Module, x: Sequence[int], matrix: Ints, chain: Chain, grid: int) -> list[int]:
    """Return the sums of one chain: of its upper output, then of its lower one."""
    total = -1
    for i, factor in zip(chain.rows, chain.factors(matrix), strict=True):
        product = m.mul(x[i], m.constant(factor), blocks=1 + ADDED)
        if total < 0:
            total = m.add(product, m.constant(chain.offset, grid), in_block=True)
        else:
            total = m.add(total, product, in_block=True)
    if chain.low is None:
        return [total]
    # Factors that share a power of two leave a coarser grid.
    drop = grid - m.frac[total]
    kept = chain.place - drop
    code = m.row(Kind.SLICE, (0, chain.span >> drop, 0), total, imm=kept)
    upper = m.floor(total, m.frac[total] - kept)
    return [m.shift(upper, -chain.place), m.shift(code, -m.frac[total])]
