"""Two cost functions for anybody's graph of shared shifted additions, and ours in that form.

`luts` is the yardstick of the table: an adder takes a LUT for every result bit that both operands
reach, with ranges that are exact because every node is a linear form of the inputs. `da4ml_cost` is
the metric da4ml minimises (its `adder_size=1`), so that nobody is measured in our terms only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.blocks.cmvm import AdderGraph
from gatewright.num import Intervals

Term = tuple[int, int, bool]
"""An operand: id, power of two, negated. Ids: inputs, constants, then nodes; -1 is zero."""


@dataclass(frozen=True, eq=False)
class Adders:
    """Adders of shifted terms.

    Attributes:
        leaves: (least, greatest, exponent of the unit) of every input and constant, in its units.
        constants: how many leaves, the last ones, are constants.
        nodes: the two terms of each adder.
        outputs: the term of each output.
    """

    leaves: tuple[tuple[int, int, int], ...]
    constants: int
    nodes: tuple[tuple[Term, Term], ...]
    outputs: tuple[Term, ...]


def leaves_of(kind: Intervals) -> tuple[tuple[int, int, int], ...]:
    """Return the inputs of a type as leaves."""
    return tuple(zip(kind.lo.tolist(), kind.hi.tolist(), (-kind.frac).tolist(), strict=True))


def of_peer(kind: Intervals, nodes: Sequence[tuple[Term, Term]], outputs: Sequence[Term]) -> Adders:
    """Take what a peer's translation gives."""
    return Adders(leaves_of(kind), 0, tuple(nodes), tuple(outputs))


def of_ours(kind: Intervals, graph: AdderGraph) -> Adders:
    """Take an answer of `gatewright.blocks.cmvm`."""
    constants = tuple((c, c, 0) for c in graph.constants.tolist())
    first = zip(graph.a.tolist(), graph.shift_a.tolist(), graph.negate_a.tolist(), strict=True)
    second = zip(graph.b.tolist(), graph.shift_b.tolist(), graph.negate_b.tolist(), strict=True)
    outputs = zip(graph.out.tolist(), graph.out_shift.tolist(), graph.out_negate.tolist(),
                  strict=True)  # fmt: skip
    return Adders(
        leaves_of(kind) + constants,
        len(constants),
        tuple(zip(first, second, strict=True)),
        tuple(outputs),
    )


def width(low: int, high: int) -> int:
    """Return the bits of a range, with a sign where it goes below zero."""
    if low >= 0:
        return high.bit_length()
    return max(max(high, 0).bit_length(), (-low - 1).bit_length()) + 1


def forms(adders: Adders) -> np.ndarray:
    """Return each operand as a linear form of the leaves, in units of 1."""
    n = len(adders.leaves)
    table = np.zeros((n + len(adders.nodes), n))
    table[:n] = np.eye(n)
    for k, terms in enumerate(adders.nodes, n):
        for i, power, negative in terms:
            table[k] += np.ldexp(-table[i] if negative else table[i], power)
    return table


def exact_ranges(adders: Adders) -> list[tuple[int, int, int]]:
    """Return (least, greatest, exponent of the unit) of every operand: exact, on its own grid."""
    found = []
    leaves = adders.leaves
    for form in forms(adders).tolist():
        live = [(i, *c.as_integer_ratio()) for i, c in enumerate(form) if c and any(leaves[i][:2])]
        # A dyadic coefficient's last bit, counted from the binary point, on top of the leaf's.
        last = [leaves[i][2] + (num & -num).bit_length() - den.bit_length() for i, num, den in live]
        unit = min(last, default=0)
        low = high = 0
        for i, num, den in live:
            scale = leaves[i][2] - unit - den.bit_length() + 1
            factor = num << scale if scale >= 0 else num >> -scale
            ends = leaves[i][0] * factor, leaves[i][1] * factor
            low, high = low + min(ends), high + max(ends)
        found.append((low, high, unit))
    return found


def luts(adders: Adders) -> int:
    """Return the LUTs of all adders and negated outputs, a result bit each that needs one."""
    ranges, n, total = exact_ranges(adders), len(adders.leaves), 0
    fixed = range(n - adders.constants, n)

    def bits(term: Term) -> tuple[int, int]:
        """Return the exponents of the lowest bit and of the one above the highest."""
        low, high, unit = ranges[term[0]]
        return unit + term[1], unit + term[1] + width(low, high)

    for k, (a, b) in enumerate(adders.nodes, n):
        fine, coarse = (a, b) if bits(a)[0] <= bits(b)[0] else (b, a)
        (start, end), (above, _) = bits(fine), bits(coarse)
        low, high, unit = ranges[k]
        top = unit + width(low, high)
        if fine[2] and fine[0] not in fixed and start < above:
            bottom = start  # the bits below are negated, so they need the chain too
        elif end <= above and not fine[2] and not coarse[2] and ranges[fine[0]][0] >= 0:
            continue  # side by side: wiring
        else:
            bottom = above
        total += max(top - bottom, 0)
    return total + _negations(adders, ranges)


def _negations(adders: Adders, ranges: Sequence[tuple[int, int, int]]) -> int:
    n = len(adders.leaves)
    fixed = range(n - adders.constants, n)
    return sum(
        width(*ranges[i][:2]) for i, _, negative in adders.outputs
        if negative and i >= 0 and i not in fixed
    )  # fmt: skip


def code_luts(adders: Adders) -> tuple[int, int]:
    """Return (LUTs as Yosys counts them, positions of carry chains) on unsigned codes.

    Operands are codes, a number less a known integer, so signs are free: a LUT for every position
    that both reach, a half adder (no LUT for Yosys, a route-through in silicon) above that.
    """
    fixed = len(adders.leaves) - adders.constants
    bits = [width(*leaf[:2]) for leaf in adders.leaves[:fixed]]
    bits += [abs(leaf[0]).bit_length() for leaf in adders.leaves[fixed:]]
    ranges = exact_ranges(adders)
    bits += [(high - low).bit_length() for low, high, _ in ranges[len(adders.leaves) :]]
    units = [leaf[2] for leaf in adders.leaves] + [r[2] for r in ranges[len(adders.leaves) :]]
    luts = chain = 0
    for terms in adders.nodes:
        lows = [units[i] + power for i, power, _ in terms]
        tops = [low + bits[i] for low, (i, _, _) in zip(lows, terms, strict=True)]
        if min(tops) > max(lows):
            luts += min(tops) - max(lows)
            chain += max(tops) - max(lows)
    return luts, chain


def da4ml_cost(adders: Adders) -> int:
    """Return da4ml's metric: highest bit of either operand less the higher of their lowest bits.

    Ranges are intervals of intervals; an unsigned operand that meets a signed one gets a bit more;
    negated outputs count their bits.
    """
    ranges: list[tuple[int, int, int]] = list(adders.leaves)
    total = 0
    for terms in adders.nodes:
        ends = []
        for i, power, negative in terms:
            low, high, unit = ranges[i]
            ends.append((low, high, unit + power, unit + power + width(low, high), negative))
        a, b = ends
        mixed = (a[0] < 0) != (b[0] < 0)
        tops = [end[3] + (mixed and end[0] >= 0) for end in ends]
        unit = min(a[2], b[2])
        low = high = 0
        for least, most, own, _, negative in ends:
            least, most = least << (own - unit), most << (own - unit)
            low += -most if negative else least
            high += -least if negative else most
        ranges.append((low, high, unit))
        total += max(tops) - max(a[2], b[2])
    return total + _negations(adders, ranges)


def check(adders: Adders, matrix: np.ndarray, bias: np.ndarray | None = None) -> bool:
    """Whether the adders compute exactly this matrix (and bias): their linear forms say so."""
    table = forms(adders)
    n, c = len(matrix), adders.constants
    constants = np.array([leaf[0] for leaf in adders.leaves[n : n + c]], float)
    for j, (i, power, negative) in enumerate(adders.outputs):
        form = np.zeros(n + c) if i < 0 else np.ldexp(-table[i] if negative else table[i], power)
        if (form[:n] != matrix[:, j]).any():
            return False
        if form[n:] @ constants != (0 if bias is None else bias[j]):
            return False
    return True
