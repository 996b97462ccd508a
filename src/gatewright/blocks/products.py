"""Products with constants in DSP blocks, several of one input in each.

A block multiplies x >= 0 by a constant that holds several magnitudes side by side,
`w0 + w1 * 2**k`, with k the bits of x * w0: its result holds both products, and neither reaches into
the other. Signs and powers of two stay with the adders that sum the products. (Side-by-side products
in one DSP48E2: AMD WP486, there with signed fields and a correction.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.arith import signed_digits
from gatewright.hw import DspBlock, Kind, Module
from gatewright.hw.dsp import MOST_RESULT, SMALLEST
from gatewright.num import Intervals, Ints


@dataclass(frozen=True)
class Group:
    """Products of one input for one block.

    Attributes:
        row: which input.
        magnitudes: odd factors, lowest field first.
        places: lowest bit of each product in the result.
        saving: adders that the block makes superfluous, roughly.
    """

    row: int
    magnitudes: tuple[int, ...]
    places: tuple[int, ...]
    saving: float

    @property
    def factor(self) -> int:
        """The constant that the input is multiplied by."""
        return sum(w << k for w, k in zip(self.magnitudes, self.places, strict=True))


def groups(matrix: Ints, kinds: Intervals, block: DspBlock, price: float) -> list[Group]:
    """Return what blocks could take of `x @ matrix`, largest saving first.

    Args:
        matrix: integers of shape (n_in, n_out).
        kinds: types of the inputs.
        block: what one DSP block multiplies.
        price: adders that one signed digit of the matrix costs, once they are shared.
    """
    found: list[Group] = []
    for i, row in enumerate(matrix):
        top = _highest(int(kinds.lo[i]), int(kinds.hi[i]))
        if top > 0 and kinds.lo[i] < kinds.hi[i]:
            found += _of_input(i, row, top, block, price)
    return sorted(found, key=lambda g: (-g.saving, g.row, g.places, g.magnitudes))


def _highest(lo: int, hi: int) -> int:
    """Return the largest value of an input as the blocks see it: signed ones are moved up."""
    if lo >= 0:
        return hi
    return hi + _half(lo, hi)


def _half(lo: int, hi: int) -> int:
    """Return what makes a signed number unsigned: the weight of its sign."""
    return 1 << max(hi.bit_length(), (-lo - 1).bit_length())


def digits(matrix: Ints) -> int:
    """Return the signed digits of a matrix, what adders have to add up."""
    return sum(len(signed_digits(abs(w))) for w in matrix.ravel().tolist())


def _of_input(i: int, row: Ints, top: int, block: DspBlock, price: float) -> list[Group]:
    """Pack the magnitudes of one input, the most costly first."""
    worth: dict[int, float] = {}
    for w in row.tolist():
        if w:
            odd = abs(w) // (abs(w) & -abs(w))
            # Its digits vanish from the matrix, and one adder brings the product back.
            worth[odd] = worth.get(odd, 0.0) + len(signed_digits(odd)) * price - 1
    rest = sorted((odd for odd in worth if worth[odd] > 0), key=lambda odd: (-worth[odd], odd))
    found = []
    while rest:
        taken: list[int] = []
        for odd in rest:
            if _fits([*taken, odd], top, block):
                taken.append(odd)
        if not taken:
            rest = rest[1:]
            continue
        rest = [odd for odd in rest if odd not in taken]
        if (top * _factor(taken, top)).bit_length() >= SMALLEST:
            saving = sum(worth[odd] for odd in taken)
            found.append(Group(i, tuple(taken), _places(taken, top), saving))
    return found


def _places(magnitudes: Sequence[int], top: int) -> tuple[int, ...]:
    """Return where each product begins."""
    places, at = [], 0
    for w in magnitudes:
        places.append(at)
        at += (top * w).bit_length()
    return tuple(places)


def _factor(magnitudes: Sequence[int], top: int) -> int:
    return sum(w << k for w, k in zip(magnitudes, _places(magnitudes, top), strict=True))


def _fits(magnitudes: Sequence[int], top: int, block: DspBlock) -> bool:
    """Whether one block takes these products: unsigned operands need the sign's bit."""
    factor = _factor(magnitudes, top)
    operands = top.bit_length() + 1, factor.bit_length() + 1
    return block.blocks(*operands) == 1 and (top * factor).bit_length() < MOST_RESULT


@dataclass(frozen=True)
class Offloaded:
    """What is left of `x @ matrix + bias` for the adders.

    Attributes:
        products: signals of the products, further inputs of the adders.
        matrix: integers of shape (n_in + products, n_out).
        bias: integers of shape (n_out,), on the grid `2**-bias_frac`.
    """

    products: list[int]
    matrix: Ints
    bias: Ints
    bias_frac: int


def offload(
    m: Module,
    x: Sequence[int],
    matrix: Ints,
    matrix_frac: int,
    bias: Ints,
    bias_frac: int,
    chosen: Sequence[Group],
) -> Offloaded:
    """Build the chosen blocks; return what the adders still have to do."""
    left, rows, products = matrix.copy(), [], []
    moved: dict[int, int] = {}
    # What moving an input up by `half` adds to the sums, on one grid.
    point = max([bias_frac, *(m.frac[x[g.row]] + matrix_frac for g in chosen)])
    total = bias.astype(np.int64) << (point - bias_frac)
    for group in chosen:
        s = x[group.row]
        half = _half(m.lo[s], m.hi[s]) if m.lo[s] < 0 else 0
        if group.row not in moved:
            moved[group.row] = _unsigned(m, s) if half else s
        for w, product in zip(group.magnitudes, _fields(m, moved[group.row], group), strict=True):
            entries = matrix[group.row]
            mine = np.array([w == abs(e) // max(abs(e) & -abs(e), 1) for e in entries.tolist()])
            rows.append(np.where(mine, entries // w, 0))
            products.append(product)
            left[group.row, mine] = 0
            shift = point - m.frac[s] - matrix_frac
            total -= (np.where(mine, entries, 0) * half) << shift
    return Offloaded(products, np.concatenate([left, np.array(rows)]), total, point)


def _unsigned(m: Module, s: int) -> int:
    """Return a signed signal plus the weight of its sign bit: the sign bit inverted."""
    width, half = m.width(s), _half(m.lo[s], m.hi[s])
    code = m.not_(m.slice(s, width - 1, 1))
    if width > 1:
        code = m.concat(code, m.slice(s, 0, width - 1))
    low, high = m.lo[s] + half, m.hi[s] + half
    if (low, high) != (m.lo[code], m.hi[code]):
        code = m.row(Kind(m.kind[code]), (low, high, 0), m.a[code], m.b[code], imm=m.imm[code])
    return m.shift(code, -m.frac[s])


def _fields(m: Module, x: int, group: Group) -> list[int]:
    """Return the products of one block, cut out of its result."""
    result = m.mul(x, m.constant(group.factor), blocks=1)
    if len(group.magnitudes) == 1:
        return [result]
    low, high, frac = m.range(x)
    fields = []
    for w, place in zip(group.magnitudes, group.places, strict=True):
        imm = 256 * place + (high * w).bit_length()
        code = m.row(Kind.SLICE, (low * w, high * w, 0), result, imm=imm)
        fields.append(m.shift(code, -frac))
    return fields
